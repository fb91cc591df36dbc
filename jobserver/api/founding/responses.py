"""How jobs, outcomes and errors look in JSON."""

from typing import Any

import msgspec

from jobserver.core.claims import Claimed, Ended, Renewed
from jobserver.core.errors import JobServerError
from jobserver.core.lifetimes import timestamp


def job(claimed: Claimed, jobix: int) -> dict[str, Any]:
    """A claimed job, as the founding workers expect it, and more."""
    return {
        "jobid": claimed.jobid,
        "jobcmd": msgspec.Raw(claimed.jobcmd.encode()),
        "jobstage": claimed.stage,
        "jobix": jobix,
        "claim": claimed.claim,
        "attempt": claimed.attempt,
        "deadline": timestamp(claimed.deadline),
    }


def one(claimed: list[Claimed], jobix: int) -> dict[str, Any] | str:
    """The only job, or "nada"."""
    return job(claimed[0], jobix) if claimed else "nada"


def ended(outcome: Ended) -> dict[str, Any]:
    """The end of a claim."""
    if outcome.failed:
        said = f"Job {outcome.jobid} failed for the last time, and stays in stage {outcome.jobstage}."
        return {"message": said, "jobid": outcome.jobid, "jobstage": outcome.jobstage, "failed": True}
    said = f"Success, job {outcome.jobid} was updated to stage {outcome.jobstage}!"
    return {"message": said, "jobid": outcome.jobid, "jobstage": outcome.jobstage}


def refused(error: JobServerError) -> dict[str, Any]:
    """An error's body."""
    return {"error": error.code, "message": str(error)}


def renewed(outcome: Renewed) -> dict[str, Any]:
    """A heartbeat's answer for one claim."""
    return {"jobid": outcome.jobid, "state": outcome.state, "deadline": timestamp(outcome.deadline)}
