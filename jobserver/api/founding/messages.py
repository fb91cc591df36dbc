"""The messages of the worker protocol: parses paths, queries and headers, with BadRequest for malformed values, and
renders the JSON of responses. `reports.py` parses the bodies."""

from contextlib import suppress
from functools import lru_cache

import msgspec

from job_manager_wire import shapes
from jobserver.api.founding.reports import TOKEN
from jobserver.core import lifetimes
from jobserver.core.bounds import (
    MAX_LEASE_S,
    MAX_LIST_NAME,
    MAX_TOGETHER,
    MAX_WAIT_S,
    MAX_WORKER_NAME,
    MIN_LEASE_S,
)
from jobserver.core.claims import ClaimedJob, ClaimRequest, Completion, Renewal
from jobserver.core.errors import BadRequest, JobServerError
from jobserver.core.lifetimes import LifetimeChange, timestamp
from jobserver.core.stages import require_available, working_stage
from jobserver.web.parsing import stage, whole_number
from jobserver.web.request import Call


def token(call: Call, header: str) -> str | None:
    """Parses a token that the worker chose, from that header."""
    text = call.header(header)
    if text is not None and not TOKEN.fullmatch(text):
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
    value = lifetimes.number(text)
    if not MIN_LEASE_S <= value <= MAX_LEASE_S:
        raise BadRequest(f"lease_s is a number of seconds from {MIN_LEASE_S} to {MAX_LEASE_S}, not {text[:40]!r}.")
    return round(value * 1000)


def wait_s(call: Call) -> float:
    """Parses `?wait=`, in seconds."""
    text = call.args.get("wait")
    if text is None:
        return 0.0
    value = lifetimes.number(text)
    if not 0 <= value <= MAX_WAIT_S:
        raise BadRequest(f"wait is a number of seconds from 0 to {MAX_WAIT_S}, not {text[:40]!r}.")
    return value


def lifetime_change(call: Call, stage_number: int, minutes: str) -> LifetimeChange:
    """Parses a new lifetime of a stage from the path and the query."""
    requeue, attempts = call.args.get("requeue"), call.args.get("max_attempts")
    backoff_s, retry_for_s = call.args.get("backoff_s"), call.args.get("retry_for_s")
    return LifetimeChange(
        lifetimes.milliseconds(minutes),
        lifetimes.UNCHANGED if requeue is None else lifetimes.requeue_stage(stage_number, requeue),
        None if attempts is None else whole_number(attempts, "max_attempts", lifetimes.MAX_ATTEMPTS),
        None if backoff_s is None else lifetimes.seconds(backoff_s, "backoff_s"),
        None if retry_for_s is None else lifetimes.seconds(retry_for_s, "retry_for_s"),
    )


def name(call: Call) -> str | None:
    """Parses `?name=`, the public name of a list; None if absent."""
    text = call.args.get("name")
    if text is not None and not (0 < len(text) <= MAX_LIST_NAME and text.isprintable() and text == text.strip()):
        raise BadRequest(f"name is 1 to {MAX_LIST_NAME} printable characters, without spaces at its ends.")
    return text


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
    if claimed.check is not None:
        rendered["check"] = msgspec.Raw(claimed.check.encode())
    if claimed.compare is not None:
        rendered["compare"] = msgspec.Raw(claimed.compare.encode())
    return rendered


def job_or_nada(claimed: list[ClaimedJob], jobix: int) -> shapes.ClaimedJob | shapes.NoJob:
    """Renders the claimed job, or "nada"."""
    return job(claimed[0], jobix) if claimed else "nada"


def completion(outcome: Completion) -> shapes.UpdatedJob:
    """Renders the end of a claim."""
    if outcome.failed:
        how = "was cancelled" if outcome.cancelled else "failed in its last attempt"
        message = f"Job {outcome.jobid} {how}, and stays in stage {outcome.stage}."
        if outcome.reason is not None:
            message = f"Job {outcome.jobid} failed, and stays in stage {outcome.stage}: {outcome.reason}"
        return {"message": message, "jobid": outcome.jobid, "jobstage": outcome.stage, "failed": True}
    message = f"Success, job {outcome.jobid} was updated to stage {outcome.stage}!"
    if outcome.reason is not None:
        message = f"Job {outcome.jobid} returned to stage {outcome.stage}: {outcome.reason}."
    if outcome.replaced:
        return {"message": message, "jobid": outcome.jobid, "jobstage": outcome.stage, "replaced": True}
    return {"message": message, "jobid": outcome.jobid, "jobstage": outcome.stage}


def refusal(error: JobServerError) -> shapes.Error:
    """Renders an error."""
    return {"error": error.code, "message": str(error)}


def renewal(outcome: Renewal) -> shapes.RenewedClaim:
    """Renders the response to a heartbeat for one claim."""
    claim: shapes.RenewedClaim = {
        "jobid": outcome.jobid,
        "state": outcome.state,
        "deadline": timestamp(outcome.deadline),
    }
    if outcome.unclaimed:
        claim["unclaimed"] = True
    return claim
