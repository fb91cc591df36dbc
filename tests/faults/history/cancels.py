"""A rule on cancel requests: each names the claim that it is meant for."""

from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import RequestLog


def only_requested_claims_are_cancelled(log: RequestLog, final: Final) -> Iterator[str]:
    """A claim is cancelled, or its worker must stop, only if a request named its job and claim, or the job alone."""
    for heartbeat in log.heartbeats:
        if heartbeat.state == "cancel" and not _is_requested(log, heartbeat.job, heartbeat.claim):
            yield f"job {heartbeat.job}: claim {heartbeat.claim} had to stop, but nobody cancelled it"
    for end in final.claim_ends:
        if end.kind == "cancelled" and not _is_requested(log, end.job, end.claim):
            yield f"job {end.job}: nobody requested to cancel claim {end.claim}: {describe(end)}"
    for job, steps in final.steps.items():
        if any(step.kind == "cancelled" and step.claim is None for step in steps) and job not in log.cancelled_jobs:
            yield f"job {job}: cancelled while it waited, and nobody requested it"


def _is_requested(log: RequestLog, job: int, claim: str) -> bool:
    return job in log.cancelled_jobs or (job, claim) in log.cancels


def cancelled_claims_move_nothing(log: RequestLog, final: Final) -> Iterator[str]:
    """Nothing of an attempt that ended as cancelled is stored with the job or given to the next stage."""
    cancelled = {(end.job, end.claim): end for end in final.claim_ends if end.kind == "cancelled"}
    values = [(job, value) for job, row in final.jobs.items() for value in (row.result, row.jobcmd)]
    values += [(grant.job, grant.jobcmd) for grant in log.grants]
    for job, value in values:
        claim = value.get("claim") if isinstance(value, dict) else None
        if end := cancelled.get((job, str(claim))):
            yield f"job {job}: a result of a cancelled attempt was used: {describe(end)}"
