"""Parses the bodies of reports and heartbeats. BadRequest names the problem of a malformed body."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, Literal, TypeVar

import msgspec

from jobserver.core.bounds import HIGHEST_NUMBER, MAX_ENTRIES, MAX_ERROR, MAX_FILENAME
from jobserver.core.claims import Report
from jobserver.core.errors import BadRequest
from jobserver.core.stages import require_target
from jobserver.core.states import Condition
from jobserver.web import bodies
from jobserver.web.request import Call

T = TypeVar("T")

TOKEN = re.compile(r"[0-9A-Za-z]{16,64}", re.ASCII)
_KINDS = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "an object",
}  # fmt: skip

Id = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_NUMBER)]
Path = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_FILENAME)]
ReportedCondition = Literal["error", "timeout", "interrupted", "invalid"]
RawJson = msgspec.Raw | msgspec.UnsetType


# These structs have the keys of the shapes, and refuse unknown keys, which a TypedDict cannot.


class Output(msgspec.Struct, forbid_unknown_fields=True):
    """A declared output file. staged: where the file is until its worker has published it under `path`."""

    path: Path
    bytes: Id
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    staged: Path | None = None


class ReportBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of /update_job."""

    filename: str | None = None
    jobcmd: RawJson = msgspec.UNSET
    result: RawJson = msgspec.UNSET
    error: str | None = None
    outputs: list[Output] | None = None
    condition: ReportedCondition | None = None
    retry: bool = True
    passed: bool | None = None
    agrees_with: Id | None = None


class ReportEntry(ReportBody, kw_only=True):
    """An entry of the body of /update_jobs."""

    jobid: Id
    jobstage: int
    claim: str | None = None


class HeldClaim(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of the body of /heartbeat."""

    jobid: Id
    claim: str


ReportEntries = Annotated[list[ReportEntry], msgspec.Meta(max_length=MAX_ENTRIES)]
HeldClaims = Annotated[list[HeldClaim], msgspec.Meta(max_length=MAX_ENTRIES)]


def parsed_body(call: Call, kind: type[T], max_bytes: int) -> AbstractContextManager[T | None]:
    """Yields the body parsed as that type; None if it is empty."""
    return _parsed(call, kind, max_bytes) if call.has_body else nullcontext()


@contextmanager
def _parsed(call: Call, kind: type[T], max_bytes: int) -> Iterator[T | None]:
    with bodies.read(call.stream, min(max_bytes, call.max_bytes)) as raw:
        yield _decoded(raw, kind) if raw.strip() else None


def _decoded(raw: bytes, kind: type[T]) -> T:
    try:
        raw.decode("utf-8")
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body is wrong: {_in_words(str(error))}.") from error
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not JSON: {str(error).removeprefix('JSON is malformed: ')}.") from error
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: byte {error.start} is wrong.") from error
    except RecursionError as error:
        raise BadRequest("The body is nested too deeply.") from error


def _in_words(reason: str) -> str:
    """Rewrites an error of msgspec in the words of docs/protocol.md."""
    reason, _, path = reason.partition(" - at `$")
    place = path.rstrip("`").lstrip(".") or "the body"
    if found := re.fullmatch("Expected `(.*)`, got `(.*)`", reason):
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in found[1].split(" | "))
        return f"{place} must be {wanted}, not {_KINDS.get(found[2], found[2])}"
    if found := re.fullmatch("Object missing required field `(.*)`", reason):
        return f"the key {found[1]!r} is missing in {place}"
    if found := re.fullmatch("Object contains unknown field `(.*)`", reason):
        return f"the key {found[1][:40]!r} in {place} is unknown"
    if found := re.fullmatch("Expected `array` of length <= ([0-9]+)", reason):
        return f"it has more than {found[1]} entries"
    if found := re.fullmatch("Expected `int` (>=|<=) (-?[0-9]+)", reason):
        return f"{place} must be at {'least' if found[1] == '>=' else 'most'} {found[2]}"
    return f"{place}: {reason[:1].lower()}{reason[1:]}".replace("`", "")


def reports(entries: list[ReportEntry]) -> list[Report | BadRequest]:
    """Checks each report on its own; returns the report or its error, in order."""

    def checked(entry: ReportEntry) -> Report | BadRequest:
        try:
            if entry.claim is not None and not TOKEN.fullmatch(entry.claim):
                raise BadRequest("claim is the token from the response of the claim: 16 to 64 letters and digits.")
            return report(entry, entry.jobid, entry.jobstage, entry.claim)
        except BadRequest as error:
            return error

    return [checked(entry) for entry in entries]


def held(claims: list[HeldClaim]) -> list[tuple[int, str]]:
    """Returns the claims of a heartbeat as (jobid, token). A malformed token becomes an empty one, which holds no
    job."""
    return [(claim.jobid, claim.claim if TOKEN.fullmatch(claim.claim) else "") for claim in claims]


def report(body: ReportBody | ReportEntry, jobid: int, target: int, token: str | None) -> Report:
    """Checks the report of a worker."""
    for field, text in (("filename", body.filename), ("error", body.error)):
        if text is not None and "\x00" in text:
            raise BadRequest(f"{field} contains a NUL character; remove it.")
    if body.filename is not None and len(body.filename) > MAX_FILENAME:
        raise BadRequest(f"filename is longer than {MAX_FILENAME} characters.")
    interrupted = body.condition == Condition.INTERRUPTED.value
    if body.error is None and not interrupted and (body.condition is not None or not body.retry):
        raise BadRequest("A report with a condition, or without a retry, needs an error that says what failed.")
    return Report(
        jobid,
        require_target(target),
        token,
        body.filename,
        _text(body.jobcmd),
        _text(body.result),
        None if body.error is None else body.error[:MAX_ERROR],
        None if body.outputs is None else msgspec.json.encode(body.outputs).decode(),
        None if body.condition is None else Condition(body.condition),
        body.retry,
        body.passed,
        body.agrees_with,
    )


def _text(value: RawJson) -> str | None:
    return None if value is msgspec.UNSET else bytes(value).decode()
