"""Handles reports without effect: returns the outcome of a repeated report, accepts or keeps a late result, or rejects
the report."""

from jobserver.core.claims import Completion, Report
from jobserver.core.errors import BadRequest, ClaimLost, NoSuchJob, WrongStage
from jobserver.core.stages import choices, is_available, last_stage
from jobserver.core.states import EventKind, Outcome
from jobserver.jobs import guarded
from jobserver.store.queries import completing, events, late_results, lists
from jobserver.store.queries.events import ClaimEnd
from jobserver.store.transaction import Transaction


def restore_lost_claim(tx: Transaction, list_id: int, report: Report, now: int) -> bool:
    """Returns whether the report is a result whose claim was lost, of a job that still waits for another attempt. Then
    the claim holds the job again, and the report can be completed. Raises BadRequest, without a change, if the report
    has no key that the replication of its stage needs."""
    if report.token is None or report.cause is not None:
        return False
    place = completing.where_is(tx, list_id, report.jobid)
    if place is None or place.claim is not None:
        return False
    end = events.claim_end(tx, place.row_id, report.token)
    if end is None or not end.was_lost or report.target != end.work + 1:
        return False
    guarded.require_key(tx, list_id, report, place.row_id, end.worker)
    return late_results.restore_claim(tx, place.row_id, end.work, end.stage, report.token, now)


def is_unclaimed(tx: Transaction, list_id: int, jobid: int, token: str) -> bool:
    """Returns whether a claim was lost whose job nobody has claimed or moved since."""
    place = completing.where_is(tx, list_id, jobid)
    if place is None or place.claim is not None:
        return False
    end = events.claim_end(tx, place.row_id, token)
    if end is None or not end.was_lost:
        return False
    return late_results.is_unclaimed(tx, place.row_id, end.stage, token)


def replay_or_reject(tx: Transaction, list_id: int, report: Report, now: int) -> Completion | ClaimLost:
    """Returns the recorded outcome of a repeated report; otherwise raises the error. Returns ClaimLost after it has
    kept a late result for comparison."""
    job, target = report.jobid, report.target
    place = completing.where_is(tx, list_id, job)
    if place is None:
        raise NoSuchJob(f"This list has no job {job}.")
    stage = place.stage
    if report.token is not None:
        end = events.claim_end(tx, place.row_id, report.token)
        if end is not None:
            if end.by_deadline and report.cause is None and report.target == end.work + 1:
                kept = late_results.keep(tx, place.row_id, report, end, now)
                comparison = (
                    "is kept with the job for comparison" if kept else "is not kept: the job has enough of them"
                )
                return ClaimLost(
                    f"This claim was lost, and job {job} was claimed again or moved since. The late result"
                    f" {comparison}. Claim a new job."
                )
            return guarded.replay(report, end) or _same(report, end)
        if place.claim != report.token:
            raise ClaimLost(
                f"This claim does not hold job {job}, which is in stage {stage} now: it was requeued, or another worker"
                " claimed it. Discard the result and claim a new job."
            )
    if is_available(stage):
        if stage >= last_stage(list(lists.lifetimes(tx.all, list_id)), list(lists.counts(tx.all, list_id))):
            raise WrongStage(f"Job {job} is done (stage {stage}). Drop the result and claim a new job.")
        raise WrongStage(f"Job {job} is in stage {stage}: no worker holds it. Claim it first with /get/{stage}.")
    if target > stage + 1:
        raise WrongStage(f"Job {job} is in stage {stage}; from there it goes to {choices(stage)}, not {target}.")
    if report.cause is not None and target > stage:
        given = "an error" if report.error is not None else "this condition"
        raise BadRequest(
            f"With {given}, return job {job} to a lower stage (for example {stage - 1}); stage {target} would mean"
            " that it succeeded."
        )
    if place.outcome != Outcome.NONE.value:
        raise WrongStage(f"Job {job} has failed in stage {stage}: it can only return to a lower even stage.")
    if place.claim is None:
        raise ClaimLost(
            f"No worker holds job {job}, and this server requires a claim: it can only return to a lower stage."
        )
    reason = "its worker chose the token itself" if place.client_token else "this server requires it"
    raise ClaimLost(f"Job {job} is held by a worker. Send the token of its claim in the header claim: {reason}.")


def _same(report: Report, end: ClaimEnd) -> Completion:
    failed = end.kind in (EventKind.FAILED, EventKind.CANCELLED) or (
        end.kind is EventKind.EXPIRED and end.work == end.stage
    )
    moved = end.kind in (EventKind.COMPLETED, EventKind.RELEASED)
    if (moved and end.stage == report.target) or (failed and report.target < end.stage):
        return Completion(report.jobid, end.stage, failed, cancelled=end.kind is EventKind.CANCELLED)
    raise ClaimLost(f"This claim has ended: job {report.jobid} moved to stage {end.stage}. Claim a new job.")
