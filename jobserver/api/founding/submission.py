"""The body of `/set`: an object {"<jobid>": {"jobstage": 0, "jobcmd": …, "priority": 0, "name": …}, …}, or a list of
such jobs, whose ids the server chooses. It may have millions of jobs.

It is parsed as a stream, checked completely, and split into chunks of JSON for the database. At most one chunk is in
memory.
"""

import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any

import ijson
import msgspec

from job_manager_wire import shapes
from jobserver.core.bounds import HIGHEST_NUMBER, MAX_JOB_NAME, MAX_PRIORITY
from jobserver.core.errors import BadRequest
from jobserver.core.stages import require_stage
from jobserver.core.submissions import Chunk, Submitted
from jobserver.web.bodies import IN_MEMORY, PIECE, room

CHUNK = 2000  # jobs in one statement
MAX_DEPTH = 200  # the parser's memory grows with the square of the depth
KEYS = {"jobstage", "jobcmd", "priority", "name"}
LIST_KEYS = KEYS | {"jobid"}

MAX_VALUES = 1_000_000  # in one job: the parser creates an object for each
MAX_TEXT_MB = 16  # the parser holds a whole text
READ_AHEAD = 4 * 1024 * 1024  # the parser restarts a long text with each piece

# yajl, the fast parser, aborts the process on over-long integers, and replaces a lone surrogate by a question mark. The
# slow parser rejects both.
_HARD = re.compile(rb"[0-9]{640}|\\u[dD][89a-fA-F]")
_STARTS, _ENDS = {"start_map", "start_array"}, {"end_map", "end_array"}
_QUOTE = re.compile(rb'(?<!\\)"')

_encode = msgspec.json.Encoder(decimal_format="number").encode
_encode_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
Row = list[Any]  # of a Chunk


class Submission:
    """A checked submission of `jobs` jobs, in chunks. It can be iterated repeatedly, until closed. See NewJobs."""

    def __init__(self, body: IO[bytes]) -> None:
        self.jobs = self.unnumbered = 0
        self.highest_id = -1
        self.is_list = False
        with ExitStack() as on_error:
            self._file = on_error.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))
            try:
                parser = ijson.get_backend("python") if _needs_slow_parser(body) else ijson
                self.is_list = _is_list(parser.basic_parse(body, buf_size=READ_AHEAD))
                body.seek(0)
                if self.is_list:
                    self._fill(self._listed_rows(parser.items(body, "item", buf_size=READ_AHEAD)))
                else:
                    self._fill(self._keyed_rows(parser.kvitems(body, "", buf_size=READ_AHEAD)))
            except (ijson.JSONError, ValueError, ArithmeticError) as error:
                raise BadRequest(f"The body is not JSON: {_reason(error)}.") from error
            on_error.pop_all()

    def __iter__(self) -> Iterator[Chunk]:
        self._file.seek(0)
        left = self.jobs
        for line in self._file:
            yield Chunk(min(left, CHUNK), line.decode())
            left -= CHUNK

    def close(self) -> None:
        """Deletes the chunks."""
        self._file.close()

    def _keyed_rows(self, entries: Iterable[tuple[str, Any]]) -> Iterator[Row]:
        for key, entry in entries:
            if not (key.isascii() and key.isdigit()) or str(int(key[:20])) != key or int(key) > HIGHEST_NUMBER:
                raise BadRequest(
                    f"A job's id is a whole number from 0 to {HIGHEST_NUMBER} in decimal digits, not {key[:40]!r}."
                    ' Send jobs that have names as a list: [{"name": "ngc1234", "jobcmd": …}, …].'
                )
            yield [int(key), *_parts(f"Job {key}", entry, KEYS)]

    def _listed_rows(self, entries: Iterable[Any]) -> Iterator[Row]:
        for number, entry in enumerate(entries, 1):
            label = f"Entry {number} of the list"
            parts = _parts(label, entry, LIST_KEYS)
            jobid = entry.get("jobid")
            if jobid is None:
                yield [None, *parts, self.unnumbered]
                self.unnumbered += 1
            elif type(jobid) is not int or not 0 <= jobid <= HIGHEST_NUMBER:
                raise BadRequest(f"{label}: jobid is a whole number from 0 to {HIGHEST_NUMBER}. A text is a name.")
            else:
                self.highest_id = max(self.highest_id, jobid)
                yield [jobid, *parts]

    def _fill(self, rows: Iterable[Row]) -> None:
        chunk: list[Row] = []
        for row in rows:
            chunk.append(row)
            self.jobs += 1
            if len(chunk) == CHUNK:
                self._keep(chunk)
                chunk = []
        self._keep(chunk)

    def _keep(self, chunk: list[Row]) -> None:
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


def _is_list(events: Iterator[tuple[str, Any]]) -> bool:
    """Returns whether the body is a list; BadRequest for a body of another shape, or beyond a limit."""
    first, _value = next(events)
    if first not in _STARTS:
        raise BadRequest(
            'The body is an object of jobs, {"<jobid>": {"jobstage": 0, "jobcmd": …}, …}, or a list of jobs,'
            ' [{"name": "…", "jobcmd": …}, …].'
        )
    depth, values = 1, 0
    for event, _value in events:
        values += 1
        if values > MAX_VALUES and depth > 1:
            raise BadRequest(f"A job holds more than {MAX_VALUES} values. Put them into a file, and name the file.")
        if event in _STARTS:
            depth += 1
            if depth == 2:
                values = 0
            elif depth > MAX_DEPTH:
                raise BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif event in _ENDS:
            depth -= 1
    return first == "start_array"


def _parts(label: str, entry: Any, keys: set[str]) -> Row:
    """Returns a row without its id and position."""
    if not isinstance(entry, dict):
        raise BadRequest(f'{label}: a job is an object such as {{"jobstage": 0, "jobcmd": …}}.')
    if not entry.keys() <= keys:
        unknown, known = min(entry.keys() - keys), ", ".join(sorted(keys))
        raise BadRequest(f"{label}: unknown key {unknown[:40]!r}. The keys of a job are {known}.")
    stage, priority = _whole(label, entry, "jobstage"), _whole(label, entry, "priority")
    if abs(priority) > MAX_PRIORITY:
        raise BadRequest(f"{label}: priority is a whole number from {-MAX_PRIORITY} to {MAX_PRIORITY}.")
    try:
        require_stage(stage)
    except BadRequest as error:
        raise BadRequest(f"{label}: {error}") from error
    name = entry.get("name")
    if name is not None and not (isinstance(name, str) and 0 < len(name) <= MAX_JOB_NAME and name.isprintable()):
        raise BadRequest(f"{label}: name is a text of 1 to {MAX_JOB_NAME} printable characters.")
    jobcmd = entry.get("jobcmd")
    return [stage, priority, _encode(jobcmd).decode(), name, zlib.crc32(_encode_sorted(jobcmd))]


def _whole(label: str, entry: dict[str, Any], name: str) -> int:
    value = entry.get(name, 0)
    if type(value) is not int:  # bool is a subclass
        raise BadRequest(f"{label}: {name} is a whole number.")
    return value


def _reason(error: Exception) -> str:
    text = error.args[0] if error.args else "it ends too early"
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    reason = str(text).strip().partition("\n")[0][:200].rstrip(".")
    for prefix in ("lexical error: ", "parse error: "):  # of yajl
        reason = reason.removeprefix(prefix)
    return "it ends too early" if not reason or "premature" in reason else reason


def response(submitted: Submitted) -> shapes.SetResponse:
    """Renders the outcome of a submission."""
    message = f"Accepted: {submitted.new} new, {submitted.known} known"
    if not submitted.different:
        return {"message": message, "new": submitted.new, "known": submitted.known}
    return {
        "message": f"{message} ({submitted.different} with a different jobcmd, which was ignored)",
        "new": submitted.new,
        "known": submitted.known,
        "different": submitted.different,
        "different_jobs": submitted.different_jobs,
    }
