"""A rule on cancel requests: each names the attempt that it is meant for."""

from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.promises import attempts_of
from tests.faults.history.request_log import RequestLog


def only_requested_attempts_are_cancelled(log: RequestLog, final: Final) -> Iterator[str]:
    """An attempt is cancelled, or must stop, only if a request named its job, stage and attempt."""
    for heartbeat in log.heartbeats:
        for grant in log.granted.get((heartbeat.job, heartbeat.claim), [])[:1]:
            if heartbeat.state == "cancel" and not _is_requested(log, grant.job, grant.stage + 1, grant.attempt):
                yield f"job {grant.job}: claim {grant.claim} had to stop, but nobody cancelled attempt {grant.attempt}"
    for path in final.paths.values():
        for end, attempt in attempts_of(path):
            if end.kind == "cancelled" and not _is_requested(log, end.job, end.stage, attempt):
                yield f"job {end.job}: nobody requested to cancel attempt {attempt}: {describe(end)}"
    for job, steps in final.steps.items():
        if any(step.kind == "cancelled" and step.claim is None for step in steps) and job not in log.cancelled_jobs:
            yield f"job {job}: cancelled while it waited, and nobody requested it"


def _is_requested(log: RequestLog, job: int, working_stage: int, attempt: int) -> bool:
    return job in log.cancelled_jobs or (job, working_stage, attempt) in log.cancels


def cancelled_claims_move_nothing(log: RequestLog, final: Final) -> Iterator[str]:
    """Nothing of an attempt that ended as cancelled is stored with the job or given to the next stage."""
    cancelled = {(end.job, end.claim): end for end in final.claim_ends if end.kind == "cancelled"}
    values = [(job, value) for job, row in final.jobs.items() for value in (row.result, row.jobcmd)]
    values += [(grant.job, grant.jobcmd) for grant in log.grants]
    for job, value in values:
        claim = value.get("claim") if isinstance(value, dict) else None
        if end := cancelled.get((job, str(claim))):
            yield f"job {job}: a result of a cancelled attempt was used: {describe(end)}"
