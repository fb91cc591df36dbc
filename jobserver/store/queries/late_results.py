"""Queries on results whose claim was lost: restores the claim if no other worker has claimed the job, or keeps the
result for comparison."""

from typing import NamedTuple

from jobserver.core.claims import Report
from jobserver.core.late_results import Comparison, Content, compare
from jobserver.core.states import Condition, Event, EventKind, Move, Outcome
from jobserver.store.queries.completing import PREVIOUS, RETURNING
from jobserver.store.queries.events import ClaimEnd
from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import Transaction

MAX_KEPT = 5  # late results of one job
# Each later claim, and each action of a person that moves the job, changes previous_claim.
_UNCLAIMED = f"""id = :id AND claim IS NULL AND previous_claim = :claim AND (jobstage = :stage AND outcome = 'none'
    OR outcome = '{Outcome.FAILED.value}' AND condition = '{Condition.LOST.value}')"""
_IS_UNCLAIMED = f"SELECT 1 FROM job WHERE {_UNCLAIMED}"
_RESTORE = f"""UPDATE job SET {PREVIOUS}, jobstage = :work, claim = previous_claim, client_token = 1, hold = 'none',
    overdue = 0, outcome = 'none', condition = 'none', failures = failures - 1, deadline = NULL
    WHERE {_UNCLAIMED} {RETURNING}"""
_KEEP = f"""INSERT INTO late_result (job_id, claim, stage, worker, at, filename, outputs, result)
    SELECT CAST(:id AS BIGINT), CAST(:claim AS TEXT), CAST(:stage AS INTEGER), CAST(:worker AS TEXT),
    CAST(:now AS BIGINT), CAST(:filename AS TEXT), CAST(:outputs AS TEXT), CAST(:result AS TEXT)
    WHERE (SELECT COUNT(*) FROM late_result WHERE job_id = :id) < {MAX_KEPT} ON CONFLICT (job_id, claim) DO NOTHING"""
_IS_KEPT = "SELECT 1 FROM late_result WHERE job_id = :id AND claim = :claim"
_OF_JOB = f"""SELECT late.worker, late.at, late.filename, late.result, late.outputs, late.stage,
    job.result, job.outputs, job.jobstage, CASE WHEN job.condition = '{Condition.SKIPPED.value}' THEN 1 ELSE 0 END
    FROM late_result late JOIN job ON job.id = late.job_id WHERE list_id = :list AND jobid = :jobid ORDER BY late.id"""
_OLDEST = "SELECT id FROM late_result WHERE id = (SELECT MIN(id) FROM late_result) AND (at < :before OR at > :after)"
_FORGET = """DELETE FROM late_result WHERE id >= :first AND id < CAST(:first AS BIGINT) + :n
    AND (at < :before OR at > :after)"""


class LateResult(NamedTuple):
    """A result that was kept for comparison. `at`: its time in ms since 1970; `result`: JSON text."""

    worker: str | None
    at: int
    filename: str | None
    result: str | None
    comparison: Comparison

    @property
    def is_same(self) -> bool:
        """Whether it is the same as the accepted result."""
        return self.comparison is Comparison.SAME

    @property
    def differs(self) -> bool:
        """Whether it differs from the accepted result."""
        return self.comparison is Comparison.DIFFERENT


def is_unclaimed(tx: Transaction, job_row: int, stage: int, token: str) -> bool:
    """Returns whether nobody has claimed or moved a job since this claim was lost. `stage`: the stage that the job
    returned to."""
    return bool(tx.all(_IS_UNCLAIMED, id=job_row, stage=stage, claim=token))


def restore_claim(tx: Transaction, job_row: int, work: int, stage: int, token: str, now: int) -> bool:
    """Gives a job whose claim was lost back to that claim, if nobody has claimed or moved it since; returns whether it
    did. `work`: the working stage of the claim; `stage`: the stage that the job returned to."""
    rows = tx.all(_RESTORE, id=job_row, work=work, stage=stage, claim=token)
    for row in rows:
        move = Move(*row)
        tx.count(move.list_id, move.from_stage, jobs=-1, flagged=-move.was_flagged, outcome=move.previous_outcome)
        tx.count(move.list_id, work, jobs=1)
        event = Event(move.list_id, EventKind.RENEWED, (move.jobid,), 1, move.from_stage, work, move.worker)
        tx.record(event._replace(message="late result"), now, [move.row_id])
    return bool(rows)


def keep(tx: Transaction, job_row: int, report: Report, end: ClaimEnd, now: int) -> bool:
    """Keeps the result of a lost claim, at most MAX_KEPT for a job; returns whether it is kept now."""
    tx.run(
        _KEEP, id=job_row, claim=report.token, stage=end.work, worker=end.worker, now=now, filename=report.filename,
        outputs=report.outputs, result=report.result,
    )  # fmt: skip
    return bool(tx.all(_IS_KEPT, id=job_row, claim=report.token))


def of_job(rows: Rows, list_id: int, jobid: int) -> list[LateResult]:
    """Returns the late results of a job, oldest first."""
    found = []
    for worker, at, filename, result, outputs, work, accepted, accepted_outputs, stage, skipped in rows(
        _OF_JOB, list=list_id, jobid=jobid
    ):
        late, current = Content(result, outputs), Content(accepted, accepted_outputs)
        found.append(LateResult(worker, at, filename, result, compare(late, work, current, stage, bool(skipped))))
    return found


def oldest_outside(rows: Rows, before: int, after: int) -> int | None:
    """Returns the id of the oldest late result, if its time is before or, by a clock that was wrong, after these."""
    found = rows(_OLDEST, before=before, after=after)
    return int(found[0][0]) if found else None


def forget(tx: Transaction, first: int, before: int, after: int, n: int) -> int:
    """Deletes up to n late results from the id `first` that are outside of these times; returns their number."""
    return tx.run(_FORGET, first=first, before=before, after=after, n=n)
