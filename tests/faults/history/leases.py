"""Rules on leases, and on the attempts that count as failed."""

from collections.abc import Iterator

from tests.faults.history.final import BY_SWEEP, LATE_RESULT, LOST, Final, Step, is_failure
from tests.faults.history.paths import describe
from tests.faults.history.request_log import RequestLog
from tests.faults.history.styles import MAX_ATTEMPTS

LOST_WORKERS = 3


def lost_jobs_return_to_their_stage(log: RequestLog, final: Final) -> Iterator[str]:
    """A job whose lease ended returns to the stage that it was claimed from. Only a claim with a lease is lost so."""
    for end in final.claim_ends:
        grants = log.granted.get((end.job, end.claim), [])
        if end.message != LOST or not end.by_sweep or not grants:
            continue
        if not any(grant.lease_ms for grant in grants):
            yield f"job {end.job}: lost by the end of a lease, but its claim had none: {describe(end)}"
        elif not end.has_failed and end.to != grants[0].stage:
            yield f"job {end.job}: lost, and not in stage {grants[0].stage} that it was claimed from: {describe(end)}"


def lost_jobs_return_by_themselves(_log: RequestLog, final: Final) -> Iterator[str]:
    """A lost claim ends without a request to return its job: each has a lease, or its stage has a requeue."""
    for end in final.claim_ends:
        if end.kind == "requeued" and end.message is None:
            yield f"job {end.job}: lost, and did not return by itself: {describe(end)}"


def renewals_keep_the_time_limit(log: RequestLog, final: Final) -> Iterator[str]:
    """No renewal of a claim with a lease leads beyond the time limit that its worker received, except after an
    outage."""
    for heartbeat in log.heartbeats:
        limits = [grant.time_limit for grant in log.granted.get((heartbeat.job, heartbeat.claim), [])]
        if limits and limits[0] and heartbeat.deadline > max([limits[0], *final.extended_to]):
            late_ms = heartbeat.deadline - limits[0]
            yield f"job {heartbeat.job}: claim {heartbeat.claim} was renewed {late_ms} ms beyond its time limit"


def attempts_are_counted(_log: RequestLog, final: Final) -> Iterator[str]:
    """A job fails after MAX_ATTEMPTS failed attempts in its stage, or when enough different workers were lost with it,
    and not before. An interrupted attempt is no failure."""
    for jobid, steps in final.steps.items():
        failures, lost = 0, set[str | None]()
        for step in steps:
            if step.message == LOST:
                lost.add(step.worker)
            if step.kind == "failed":
                failures += 1
                if failures != MAX_ATTEMPTS and len(lost) < LOST_WORKERS:
                    yield f"job {jobid} failed after {failures} failed attempts instead of {MAX_ATTEMPTS}"
            elif step.kind == "renewed" and step.message == LATE_RESULT:
                failures -= 1  # the attempt was counted as lost
            elif step.kind in ("requeued", "released") and step.new < step.old:
                if step.claim is None:  # a request to retry it
                    failures, lost = 0, set()
                elif _is_failed_attempt(step):
                    failures += 1
                if failures >= MAX_ATTEMPTS:
                    yield f"job {jobid} had {failures} failed attempts in stage {step.old}, and did not fail"
            elif step.kind == "completed":
                failures, lost = 0, set()


def _is_failed_attempt(step: Step) -> bool:
    return step.message in BY_SWEEP if step.kind == "requeued" else is_failure(step.message)
