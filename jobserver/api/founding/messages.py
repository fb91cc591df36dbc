"""The messages of the worker protocol: parses requests, raising BadRequest that says what is wrong, and renders the
JSON of responses."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Annotated, TypeVar

import msgspec

from job_manager_wire import shapes
from jobserver.core.bounds import (
    HIGHEST_NUMBER,
    MAX_ENTRIES,
    MAX_ERROR,
    MAX_FILENAME,
    MAX_LIST_NAME,
    MAX_TOGETHER,
    MAX_WAIT_S,
    MAX_WORKER_NAME,
)
from jobserver.core.claims import ClaimedJob, ClaimRequest, Completion, Renewal, Report
from jobserver.core.errors import BadRequest, JobServerError
from jobserver.core.lifetimes import timestamp
from jobserver.core.stages import require_available, require_target, working_stage
from jobserver.web import bodies
from jobserver.web.parsing import stage, whole
from jobserver.web.request import Call

T = TypeVar("T")

_TOKEN = re.compile(r"[0-9A-Za-z]{16,64}", re.ASCII)

Id = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_NUMBER)]
RawJson = msgspec.Raw | msgspec.UnsetType


# These structs have the keys of the shapes, and refuse unknown keys, which a TypedDict cannot.


class ReportBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /update_job."""

    filename: str | None = None
    jobcmd: RawJson = msgspec.UNSET
    result: RawJson = msgspec.UNSET
    error: str | None = None


class ReportEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One of the list that /update_jobs is sent."""

    jobid: Id
    jobstage: int
    claim: str | None = None
    filename: str | None = None
    jobcmd: RawJson = msgspec.UNSET
    result: RawJson = msgspec.UNSET
    error: str | None = None


class HeldClaim(msgspec.Struct, forbid_unknown_fields=True):
    """One of the list that /heartbeat is sent."""

    jobid: Id
    claim: str


ReportEntries = Annotated[list[ReportEntry], msgspec.Meta(max_length=MAX_ENTRIES)]
HeldClaims = Annotated[list[HeldClaim], msgspec.Meta(max_length=MAX_ENTRIES)]


def token(call: Call, header: str) -> str | None:
    """A token that the worker chose, from that header."""
    text = call.header(header)
    if text is not None and not _TOKEN.fullmatch(text):
        raise BadRequest(f"The header {header} is 16 to 64 letters and digits, a UUID's hex digits for example.")
    return text


def worker(call: Call) -> str | None:
    """The worker's name for itself."""
    text = call.header("worker")
    if text is None:
        return None
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")  # how WSGI hands over a header, and how clients send one
    if len(text) > MAX_WORKER_NAME or not text.isprintable():
        raise BadRequest(f"The header worker is at most {MAX_WORKER_NAME} printable characters, host:pid for example.")
    return text


def claim_request(call: Call, stage_text: str, working_stage_text: str | None, token: str | None) -> ClaimRequest:
    """What the request asks to claim."""
    from_stage, to_stage = _stages(stage_text, working_stage_text)
    return ClaimRequest(from_stage, to_stage, together(call) or 1, token, worker(call))


@lru_cache(256)  # workers ask for few different stages
def _stages(stage_text: str, working_stage_text: str | None) -> tuple[int, int]:
    from_stage = require_available(stage(stage_text))
    return from_stage, working_stage(from_stage, None if working_stage_text is None else stage(working_stage_text))


def following(call: Call) -> ClaimRequest | None:
    """What `?next=` asks to claim, if it is given."""
    text = call.args.get("next")
    return None if text is None else claim_request(call, text, None, token(call, "next-claim"))


def together(call: Call) -> int | None:
    """`?n=`, if it is given."""
    text = call.args.get("n")
    if text is None:
        return None
    n = whole(text, "n", MAX_TOGETHER)
    if n == 0:
        raise BadRequest(f"n is a whole number from 1 to {MAX_TOGETHER}, not 0.")
    return n


def wait_s(call: Call) -> float:
    """`?wait=`, in seconds."""
    text = call.args.get("wait", "0")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MAX_WAIT_S:
        raise BadRequest(f"wait is a number of seconds from 0 to {MAX_WAIT_S}, not {text[:40]!r}.")
    return value


def name(call: Call) -> str | None:
    """`?name=`, a list's public name."""
    text = call.args.get("name")
    if text is not None and not (0 < len(text) <= MAX_LIST_NAME and text.isprintable() and text == text.strip()):
        raise BadRequest(f"name is 1 to {MAX_LIST_NAME} printable characters, without spaces at its ends.")
    return text


@contextmanager
def body(call: Call, kind: type[T], max_bytes: int) -> Iterator[T | None]:
    """The body as that type; None if there is none."""
    if not call.has_body:
        yield None
        return
    with bodies.read(call.stream, min(max_bytes, call.max_bytes)) as raw:
        yield _decoded(raw, kind) if raw.strip() else None


def _decoded(raw: bytes, kind: type[T]) -> T:
    try:
        raw.decode("utf-8")
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body is not as it should be: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise BadRequest("The body is nested too deep.") from error


def reports(entries: list[ReportEntry]) -> list[Report | BadRequest]:
    """The reports of workers, each checked alone: the report, or what is wrong with it."""

    def checked(entry: ReportEntry) -> Report | BadRequest:
        try:
            if entry.claim is not None and not _TOKEN.fullmatch(entry.claim):
                raise BadRequest("claim is the token that came with the job: 16 to 64 letters and digits.")
            return report(entry, entry.jobid, entry.jobstage, entry.claim)
        except BadRequest as error:
            return error

    return [checked(entry) for entry in entries]


def held(claims: list[HeldClaim]) -> list[tuple[int, str]]:
    """The claims that a heartbeat names, as (jobid, token). A token that cannot be one holds nothing."""
    return [(claim.jobid, claim.claim if _TOKEN.fullmatch(claim.claim) else "") for claim in claims]


def report(given: ReportBody | ReportEntry, jobid: int, target: int, token: str | None) -> Report:
    """A worker's report, checked."""
    for what, text in (("filename", given.filename), ("error", given.error)):
        if text is not None and "\x00" in text:
            raise BadRequest(f"{what} holds a NUL character; leave it out.")
    if given.filename is not None and len(given.filename) > MAX_FILENAME:
        raise BadRequest(f"filename is longer than {MAX_FILENAME} characters.")
    return Report(
        jobid,
        require_target(target),
        token,
        given.filename,
        _text(given.jobcmd),
        _text(given.result),
        None if given.error is None else given.error[:MAX_ERROR],
    )


def _text(value: RawJson) -> str | None:
    return None if value is msgspec.UNSET else bytes(value).decode()


def job(claimed: ClaimedJob, jobix: int) -> shapes.ClaimedJob:
    """A claimed job, as the founding workers expect it, and more."""
    return {
        "jobid": claimed.jobid,
        "jobcmd": msgspec.Raw(claimed.jobcmd.encode()),
        "jobstage": claimed.stage,
        "jobix": jobix,
        "claim": claimed.token,
        "attempt": claimed.attempt,
        "deadline": timestamp(claimed.deadline),
    }


def job_or_nada(claimed: list[ClaimedJob], jobix: int) -> shapes.ClaimedJob | shapes.NoJob:
    """The only job, or "nada"."""
    return job(claimed[0], jobix) if claimed else "nada"


def completion(outcome: Completion) -> shapes.UpdatedJob:
    """The end of a claim."""
    if outcome.failed:
        message = f"Job {outcome.jobid} failed for the last time, and stays in stage {outcome.stage}."
        return {"message": message, "jobid": outcome.jobid, "jobstage": outcome.stage, "failed": True}
    message = f"Success, job {outcome.jobid} was updated to stage {outcome.stage}!"
    return {"message": message, "jobid": outcome.jobid, "jobstage": outcome.stage}


def refusal(error: JobServerError) -> shapes.Error:
    """The body of an error."""
    return {"error": error.code, "message": str(error)}


def renewal(outcome: Renewal) -> shapes.RenewedClaim:
    """The answer to a heartbeat for one claim."""
    return {"jobid": outcome.jobid, "state": outcome.state, "deadline": timestamp(outcome.deadline)}
