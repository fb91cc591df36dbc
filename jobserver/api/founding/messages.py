"""The messages of the worker protocol: parses requests, raising BadRequest that says what is wrong, and renders the
JSON of responses."""

import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Annotated, Literal, TypeVar

import msgspec

from job_manager_wire import shapes
from jobserver.core.bounds import (
    HIGHEST_NUMBER,
    MAX_ENTRIES,
    MAX_ERROR,
    MAX_FILENAME,
    MAX_LEASE_S,
    MAX_LIST_NAME,
    MAX_TOGETHER,
    MAX_WAIT_S,
    MAX_WORKER_NAME,
    MIN_LEASE_S,
)
from jobserver.core.claims import ClaimedJob, ClaimRequest, Completion, Renewal, Report
from jobserver.core.errors import BadRequest, JobServerError
from jobserver.core.lifetimes import timestamp
from jobserver.core.stages import require_available, require_target, working_stage
from jobserver.core.states import Condition
from jobserver.web import bodies
from jobserver.web.parsing import stage, whole_number
from jobserver.web.request import Call

T = TypeVar("T")

_TOKEN = re.compile(r"[0-9A-Za-z]{16,64}", re.ASCII)

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


class ReportBody(msgspec.Struct, forbid_unknown_fields=True):
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


class ReportEntry(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of the body of /update_jobs."""

    jobid: Id
    jobstage: int
    claim: str | None = None
    filename: str | None = None
    jobcmd: RawJson = msgspec.UNSET
    result: RawJson = msgspec.UNSET
    error: str | None = None
    outputs: list[Output] | None = None
    condition: ReportedCondition | None = None
    retry: bool = True
    passed: bool | None = None
    agrees_with: Id | None = None


class HeldClaim(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of the body of /heartbeat."""

    jobid: Id
    claim: str


ReportEntries = Annotated[list[ReportEntry], msgspec.Meta(max_length=MAX_ENTRIES)]
HeldClaims = Annotated[list[HeldClaim], msgspec.Meta(max_length=MAX_ENTRIES)]


def token(call: Call, header: str) -> str | None:
    """Parses a token that the worker chose, from that header."""
    text = call.header(header)
    if text is not None and not _TOKEN.fullmatch(text):
        raise BadRequest(f"The header {header} is 16 to 64 letters and digits, a UUID's hex digits for example.")
    return text


def worker(call: Call) -> str | None:
    """Parses the header worker, the name of the worker."""
    text = call.header("worker")
    if text is None:
        return None
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")  # WSGI decodes headers as Latin-1, clients send UTF-8
    if len(text) > MAX_WORKER_NAME or not text.isprintable():
        raise BadRequest(f"The header worker is at most {MAX_WORKER_NAME} printable characters, host:pid for example.")
    return text


def claim_request(call: Call, stage_text: str, working_stage_text: str | None, token: str | None) -> ClaimRequest:
    """Parses a claim request from the path, query and headers."""
    from_stage, to_stage = _stages(stage_text, working_stage_text)
    return ClaimRequest(from_stage, to_stage, together(call) or 1, token, worker(call), lease_ms(call))


@lru_cache(256)  # few stages occur in practice
def _stages(stage_text: str, working_stage_text: str | None) -> tuple[int, int]:
    from_stage = require_available(stage(stage_text))
    return from_stage, working_stage(from_stage, None if working_stage_text is None else stage(working_stage_text))


def following(call: Call) -> ClaimRequest | None:
    """Parses `?next=`, a second claim request; None if absent."""
    text = call.args.get("next")
    return None if text is None else claim_request(call, text, None, token(call, "next-claim"))


def together(call: Call) -> int | None:
    """Parses `?n=`; None if absent."""
    text = call.args.get("n")
    return None if text is None else whole_number(text, "n", MAX_TOGETHER, lowest=1)


def lease_ms(call: Call) -> int | None:
    """Parses `?lease_s=`, in seconds; returns ms, None if absent."""
    text = call.args.get("lease_s")
    if text is None:
        return None
    value = _seconds(text)
    if not MIN_LEASE_S <= value <= MAX_LEASE_S:
        raise BadRequest(f"lease_s is a number of seconds from {MIN_LEASE_S} to {MAX_LEASE_S}, not {text[:40]!r}.")
    return round(value * 1000)


def wait_s(call: Call) -> float:
    """Parses `?wait=`, in seconds."""
    text = call.args.get("wait", "0")
    value = _seconds(text)
    if not 0 <= value <= MAX_WAIT_S:
        raise BadRequest(f"wait is a number of seconds from 0 to {MAX_WAIT_S}, not {text[:40]!r}.")
    return value


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def name(call: Call) -> str | None:
    """Parses `?name=`, the public name of a list; None if absent."""
    text = call.args.get("name")
    if text is not None and not (0 < len(text) <= MAX_LIST_NAME and text.isprintable() and text == text.strip()):
        raise BadRequest(f"name is 1 to {MAX_LIST_NAME} printable characters, without spaces at its ends.")
    return text


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
            if entry.claim is not None and not _TOKEN.fullmatch(entry.claim):
                raise BadRequest("claim is the token from the response of the claim: 16 to 64 letters and digits.")
            return report(entry, entry.jobid, entry.jobstage, entry.claim)
        except BadRequest as error:
            return error

    return [checked(entry) for entry in entries]


def held(claims: list[HeldClaim]) -> list[tuple[int, str]]:
    """Returns the claims of a heartbeat as (jobid, token). A malformed token becomes an empty one, which holds no
    job."""
    return [(claim.jobid, claim.claim if _TOKEN.fullmatch(claim.claim) else "") for claim in claims]


def report(body: ReportBody | ReportEntry, jobid: int, target: int, token: str | None) -> Report:
    """Checks the report of a worker."""
    for field, text in (("filename", body.filename), ("error", body.error)):
        if text is not None and "\x00" in text:
            raise BadRequest(f"{field} contains a NUL character; remove it.")
    if body.filename is not None and len(body.filename) > MAX_FILENAME:
        raise BadRequest(f"filename is longer than {MAX_FILENAME} characters.")
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


def job(claimed: ClaimedJob, jobix: int) -> shapes.ClaimedJob:
    """Renders a claimed job: the keys of the founding protocol, and claim, attempt and deadline; and the others if they
    have a value."""
    rendered: shapes.ClaimedJob = {
        "jobid": claimed.jobid,
        "jobcmd": msgspec.Raw(claimed.jobcmd.encode()),
        "jobstage": claimed.stage,
        "jobix": jobix,
        "claim": claimed.token,
        "attempt": claimed.attempt,
        "deadline": timestamp(claimed.deadline),
    }
    if claimed.name is not None:
        rendered["name"] = claimed.name
    if claimed.outputs is not None:
        rendered["outputs"] = msgspec.Raw(claimed.outputs.encode())
    if claimed.time_limit is not None:
        rendered["time_limit"] = timestamp(claimed.time_limit)
    return rendered


def job_or_nada(claimed: list[ClaimedJob], jobix: int) -> shapes.ClaimedJob | shapes.NoJob:
    """Renders the claimed job, or "nada"."""
    return job(claimed[0], jobix) if claimed else "nada"


def completion(outcome: Completion) -> shapes.UpdatedJob:
    """Renders the end of a claim."""
    if outcome.failed:
        message = f"Job {outcome.jobid} failed in its last attempt, and stays in stage {outcome.stage}."
        return {"message": message, "jobid": outcome.jobid, "jobstage": outcome.stage, "failed": True}
    message = f"Success, job {outcome.jobid} was updated to stage {outcome.stage}!"
    return {"message": message, "jobid": outcome.jobid, "jobstage": outcome.stage}


def refusal(error: JobServerError) -> shapes.Error:
    """Renders an error."""
    return {"error": error.code, "message": str(error)}


def renewal(outcome: Renewal) -> shapes.RenewedClaim:
    """Renders the response to a heartbeat for one claim."""
    return {"jobid": outcome.jobid, "state": outcome.state, "deadline": timestamp(outcome.deadline)}
