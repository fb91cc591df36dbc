"""A report that changed nothing: it was taken before, or it is refused, and why."""

from jobserver.core.claims import Report
from jobserver.core.errors import BadRequest, ClaimLost, NoSuchJob, WrongStage
from jobserver.core.stages import choices, is_available
from jobserver.store.queries import completing, history
from jobserver.store.transaction import Transaction

FAILED = 2


def before_or_refused(tx: Transaction, list_id: int, report: Report) -> tuple[int, bool]:
    """The outcome of this very report when it was taken before: (stage, whether the job failed). Else raises what is
    wrong with it."""
    job, target = report.jobid, report.target
    found = completing.where_is(tx, list_id, job)
    if found is None:
        raise NoSuchJob(f"This list has no job {job}.")
    row_id, stage, claim, chosen, flag = found
    if report.claim is not None:
        before = history.remembered(tx, row_id, report.claim)
        if before is not None:
            return _same(report, *before)
        if claim != report.claim:
            raise ClaimLost(
                f"This claim does not hold job {job} (in stage {stage} now): it was sent back, or given to another"
                " worker. Drop the result and claim a new job."
            )
    if is_available(stage):
        raise WrongStage(f"Job {job} is in stage {stage}: nobody works on it. Claim it first, by /get/{stage}.")
    if target > stage + 1:
        raise WrongStage(f"Job {job} is in stage {stage}; from there it goes to {choices(stage)}, not {target}.")
    if report.error is not None and target > stage:
        raise BadRequest(f"An error goes with a lower stage; {target} would say that job {job} is done with {stage}.")
    if flag >= FAILED:
        raise WrongStage(f"Job {job} has failed in stage {stage}: it can only be sent back, to a lower even stage.")
    if claim is None:
        raise ClaimLost(f"Nobody holds job {job}, and this server requires a claim: it can only be sent back.")
    why = "its worker chose the claim's token" if chosen else "this server requires it"
    raise ClaimLost(f"Job {job} is held. Prove your claim by the header claim: {why}.")


def _same(report: Report, to: int, outcome: str) -> tuple[int, bool]:
    failed = outcome == "failed"
    if (to == report.target and outcome in ("done", "back")) or (failed and report.target < to):
        return to, failed
    raise ClaimLost(f"This claim has ended: job {report.jobid} went to stage {to} with it. Claim a new job.")
