"""The body of `/set`: {"<jobid>": {"jobstage": 0, "jobcmd": …, "priority": 0}, …}, with up to millions of jobs.

It is parsed as a stream, checked completely, and split into chunks of JSON for the database. At most one chunk is in
memory.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any

import ijson
import msgspec

from jobserver.core.bounds import HIGHEST_NUMBER, MAX_PRIORITY
from jobserver.core.errors import BadRequest
from jobserver.core.stages import require_stage
from jobserver.web.bodies import IN_MEMORY, PIECE, room

CHUNK = 2000  # jobs in one statement
MAX_DEPTH = 200  # the parser's memory grows with the square of the depth
KEYS = {"jobstage", "jobcmd", "priority"}

MAX_VALUES = 1_000_000  # in one job: the parser creates an object for each
MAX_TEXT_MB = 16  # the parser holds a whole text
READ_AHEAD = 4 * 1024 * 1024  # the parser restarts a long text with each piece

# yajl, the fast parser, aborts the process on over-long integers, and replaces a lone surrogate by a question mark. The
# slow parser rejects both.
_HARD = re.compile(rb"[0-9]{640}|\\u[dD][89a-fA-F]")
_QUOTE = re.compile(rb'(?<!\\)"')

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Submission:
    """A checked submission of `jobs` jobs, in chunks for add_jobs(). It can be iterated repeatedly, until closed."""

    def __init__(self, body: IO[bytes]) -> None:
        self.jobs = 0
        with ExitStack() as on_error:
            self._file = on_error.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))
            try:
                parser = ijson.get_backend("python") if _needs_slow_parser(body) else ijson
                self._check_shape(parser.basic_parse(body, buf_size=READ_AHEAD))
                body.seek(0)
                self._fill(parser.kvitems(body, "", buf_size=READ_AHEAD))
            except (ijson.JSONError, ValueError, ArithmeticError) as error:
                raise BadRequest(f"The body is not JSON: {_reason(error)}.") from error
            on_error.pop_all()

    def __iter__(self) -> Iterator[str]:
        self._file.seek(0)
        for line in self._file:
            yield line.decode()

    def close(self) -> None:
        """Deletes the chunks."""
        self._file.close()

    @staticmethod
    def _check_shape(events: Iterable[tuple[str, Any]]) -> None:
        depth = values = 0
        for event, _value in events:
            values = 0 if depth == 1 else values + 1
            if values > MAX_VALUES:
                raise BadRequest(f"A job holds more than {MAX_VALUES} values. Put them into a file, and name the file.")
            if depth == 0 and event != "start_map":
                raise BadRequest('The body is an object of jobs: {"<jobid>": {"jobstage": 0, "jobcmd": …}, …}.')
            if event in ("start_map", "start_array"):
                depth += 1
                if depth > MAX_DEPTH:
                    raise BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
            elif event in ("end_map", "end_array"):
                depth -= 1

    def _fill(self, entries: Iterable[tuple[str, Any]]) -> None:
        chunk: list[list[Any]] = []
        for key, value in entries:
            chunk.append(_row(key, value))
            self.jobs += 1
            if len(chunk) == CHUNK:
                self._keep(chunk)
                chunk = []
        self._keep(chunk)

    def _keep(self, chunk: list[list[Any]]) -> None:
        with room():
            self._file.write(_encode(chunk) + b"\n" if chunk else b"")


def _needs_slow_parser(body: IO[bytes]) -> bool:
    """Looks through the body, and leaves it at its start. BadRequest for a text of more than MAX_TEXT_MB."""
    before, is_hard, without_quote = b"", False, 0
    while piece := body.read(PIECE):
        seen = before + piece
        is_hard = is_hard or _HARD.search(seen) is not None
        without_quote = 0 if _QUOTE.search(seen, len(before)) else without_quote + len(piece)
        before = piece[-640:]
        if without_quote > MAX_TEXT_MB * 1_000_000:
            raise BadRequest(f"A text is longer than {MAX_TEXT_MB} MB. Put it into a file, and name the file.")
    body.seek(0)
    return is_hard


def _row(key: str, entry: Any) -> list[Any]:
    if not (key.isascii() and key.isdigit()) or str(int(key[:20])) != key or int(key) > HIGHEST_NUMBER:
        raise BadRequest(
            f"A job's id is a whole number from 0 to {HIGHEST_NUMBER} in decimal digits, not {key[:40]!r}."
        )
    if not isinstance(entry, dict):
        raise BadRequest(f'Job {key}: its entry is an object such as {{"jobstage": 0, "jobcmd": …}}.')
    unknown = entry.keys() - KEYS
    if unknown:
        raise BadRequest(f"Job {key}: unknown key {min(unknown)[:40]!r}. Keys are jobstage, jobcmd and priority.")
    stage, priority = _whole(key, entry, "jobstage"), _whole(key, entry, "priority")
    if abs(priority) > MAX_PRIORITY:
        raise BadRequest(f"Job {key}: priority is a whole number from {-MAX_PRIORITY} to {MAX_PRIORITY}.")
    try:
        require_stage(stage)
    except BadRequest as error:
        raise BadRequest(f"Job {key}: {error}") from error
    return [int(key), stage, priority, _encode(entry.get("jobcmd")).decode()]


def _whole(key: str, entry: dict[str, Any], name: str) -> int:
    value = entry.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"Job {key}: {name} is a whole number.")
    return value


def _reason(error: Exception) -> str:
    text = error.args[0] if error.args else "it ends too early"
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    reason = str(text).strip().partition("\n")[0][:200].rstrip(".")
    for prefix in ("lexical error: ", "parse error: "):  # of yajl
        reason = reason.removeprefix(prefix)
    return "it ends too early" if not reason or "premature" in reason else reason
