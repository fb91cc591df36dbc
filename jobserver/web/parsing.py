"""Parses the numbers in the paths, headers and forms of requests."""

from functools import lru_cache

from jobserver.core.bounds import HIGHEST_NUMBER
from jobserver.core.errors import BadRequest, JobixMissing
from jobserver.core.stages import MAX_STAGE


def whole_number(text: str, name: str, highest: int = HIGHEST_NUMBER, lowest: int = 0) -> int:
    """Parses a whole number from `lowest` to `highest`; `name` is its name in the error."""
    if not (text.isascii() and text.isdigit()) or len(text) > 40 or not lowest <= int(text) <= highest:
        raise BadRequest(f"{name} is a whole number from {lowest} to {highest}, not {text[:40]!r}.")
    return int(text)


def signed_number(text: str, name: str, highest: int = HIGHEST_NUMBER) -> int:
    """Parses a whole number from -highest to highest."""
    number = whole_number(text.removeprefix("-"), name, highest)
    return -number if text.startswith("-") else number


def stage(text: str) -> int:
    """Parses the number of a stage."""
    return whole_number(text, "A stage", MAX_STAGE)


@lru_cache(1024)  # a worker sends the same header with each request
def jobix(header: str | None) -> int:
    """Parses the header `jobix`."""
    if header is None or not header.strip():
        raise JobixMissing("Send the secret key (jobix) of your list in the header jobix.")
    text = header.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 40 or int(text) > HIGHEST_NUMBER:
        raise BadRequest(f"The header jobix is a whole number from 0 to {HIGHEST_NUMBER}.")
    return int(text)
