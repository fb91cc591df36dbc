"""Queries on results whose claim was lost: restores the claim if no other worker has claimed the job, or keeps the
result for comparison."""

from typing import NamedTuple

from jobserver.core.claims import Report
from jobserver.core.states import Condition, Event, EventKind, Move, Outcome
from jobserver.store.queries.completing import PREVIOUS, RETURNING
from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import Transaction

MAX_KEPT = 5  # late results of one job
# Each later claim, and each action of a person that moves the job, changes previous_claim.
_RESTORE = f"""UPDATE job SET {PREVIOUS}, jobstage = :work, claim = previous_claim, client_token = 1, hold = 'none',
    overdue = 0, outcome = 'none', condition = 'none', failures = failures - 1, deadline = NULL
    WHERE id = :id AND claim IS NULL AND previous_claim = :claim
    AND (jobstage = :stage AND outcome = 'none'
        OR outcome = '{Outcome.FAILED.value}' AND condition = '{Condition.LOST.value}') {RETURNING}"""
_KEEP = f"""INSERT INTO late_result (job_id, claim, worker, at, filename, outputs, result)
    SELECT :id, :claim, (SELECT worker FROM event WHERE claim = :claim AND job_id = :id ORDER BY id DESC LIMIT 1), :now,
    CAST(:filename AS TEXT), CAST(:outputs AS TEXT), CAST(:result AS TEXT)
    WHERE (SELECT COUNT(*) FROM late_result WHERE job_id = :id) < {MAX_KEPT} ON CONFLICT (claim) DO NOTHING"""
_OF_JOB = "SELECT worker, at, filename, result FROM late_result WHERE job_id = :id ORDER BY id"


class LateResult(NamedTuple):
    """A result that was kept for comparison. `at`: its time in ms since 1970; `result`: JSON text."""

    worker: str | None
    at: int
    filename: str | None
    result: str | None


def restore_claim(tx: Transaction, job_row: int, work: int, stage: int, token: str, now: int) -> bool:
    """Gives a job whose claim was lost back to that claim, if nobody has claimed or moved it since; returns whether it
    did. `work`: the working stage of the claim; `stage`: the stage that the job returned to."""
    rows = tx.all(_RESTORE, id=job_row, work=work, stage=stage, claim=token)
    for row in rows:
        move = Move(*row)
        tx.count(move.list_id, move.from_stage, jobs=-1, flagged=-move.was_flagged, failed=-move.was_ended)
        tx.count(move.list_id, work, jobs=1)
        event = Event(move.list_id, EventKind.RENEWED, (move.jobid,), 1, move.from_stage, work, move.worker)
        tx.record(event._replace(message="late result"), now, [move.row_id])
    return bool(rows)


def keep(tx: Transaction, job_row: int, report: Report, now: int) -> None:
    """Keeps the result of a lost claim, at most MAX_KEPT for a job."""
    tx.run(
        _KEEP, id=job_row, claim=report.token, now=now, filename=report.filename, outputs=report.outputs,
        result=report.result,
    )  # fmt: skip


def of_job(rows: Rows, job_row: int) -> list[LateResult]:
    """Returns the late results of a job, oldest first."""
    return [LateResult(*row) for row in rows(_OF_JOB, id=job_row)]
