"""Where the command line has the secret from: never from a place that others can read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from .errors import BadJobix


def find_jobix(option: str | None, path: str | None, environment: Mapping[str, str]) -> int:
    """The jobix of `--jobix`, of the file of `--jobix-file`, or of JOBSERVER_JOBIX, in this order."""
    if option is not None:
        return _whole(option, "--jobix")
    if path is not None:
        return read_jobix(path)
    if "JOBSERVER_JOBIX" in environment:
        return _whole(environment["JOBSERVER_JOBIX"], "JOBSERVER_JOBIX")
    raise BadJobix("no jobix: give --jobix-file FILE (init makes it), or JOBSERVER_JOBIX in the environment")


def read_jobix(path: str) -> int:
    """The number that the file holds."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return _whole(file.read(100), f"the file {path}")
    except FileNotFoundError as problem:
        raise BadJobix(f"there is no file {path}: `init --jobix-file {path}` makes it, with a new list") from problem
    except OSError as problem:
        raise BadJobix(f"the jobix can't be read from {path} ({problem.strerror})") from problem


def make_jobix(path: str) -> int:
    """Writes a new random secret of 63 bits into a file that only its owner reads; never over another one."""
    jobix = secrets.randbits(63)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{jobix}\n")
    except OSError as problem:
        raise BadJobix(f"the jobix can't be written to {path} ({problem.strerror}): name another file") from problem
    return jobix


def _whole(text: str, where: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise BadJobix(f"{where} must have a whole number from 0 to 2^63-1, and nothing else")
    return int(text)
