"""Queries that hold a job that was lost with several workers: it fails, and its error names them."""

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import NamedTuple

from jobserver.core.states import Condition, EventKind, Move, Outcome
from jobserver.store.queries.completing import RETURNING, failing
from jobserver.store.queries.requeuing import LOST, LOST_CLAIM, OVERDUE, SOME_OVERDUE, count_expired
from jobserver.store.transaction import Transaction

MAX_WORKERS = 3  # different workers that may be lost with one job
# A worker that held several jobs proves nothing about one of them. Jobs of one claim have the same time of the claim,
# and the events of their losses are neighbours, because one sweep writes most of them.
_LOST_TOGETHER = f"""SELECT 1 FROM event other WHERE other.id BETWEEN {{id}} - :n AND {{id}} + :n
    AND other.list_id = {{lost}}.list_id AND other.worker = {{lost}}.worker AND other.started = {{claimed}}
    AND other.job_id <> {{job}} AND other.message = '{LOST}'"""
_SUSPECTS = f"""SELECT id, jobstage, claim, worker, failing_since FROM job
    WHERE {SOME_OVERDUE} AND {LOST_CLAIM} AND jobstage % 2 = 1 AND failures + 1 >= {MAX_WORKERS} AND cancel = 0
    AND worker IS NOT NULL AND NOT EXISTS (SELECT 1 FROM job other WHERE other.list_id = job.list_id
        AND other.jobstage = job.jobstage AND other.jobstage % 2 = 1 AND other.worker = job.worker
        AND other.claimed = job.claimed AND other.id <> job.id AND other.claim IS NOT NULL)
    AND NOT EXISTS ({
    _LOST_TOGETHER.format(id="(SELECT MAX(id) FROM event)", lost="job", claimed="job.claimed", job="job.id")
}) ORDER BY id"""
_EARLIER = f"""SELECT worker, at FROM event WHERE job_id = :id AND kind = '{EventKind.REQUEUED.value}'
    AND message = '{LOST}' AND from_stage = :stage AND at >= :since AND worker IS NOT NULL
    AND NOT EXISTS ({
    _LOST_TOGETHER.format(id="event.id", lost="event", claimed="event.started", job="event.job_id")
}) ORDER BY id"""
_HOLD = f"""{
    failing(outcome=f"'{Outcome.FAILED.value}'", condition=f"'{Condition.LOST.value}'", failure="1", error=":error")
} WHERE id = :id AND claim = :claim AND {OVERDUE} AND {LOST_CLAIM} AND cancel = 0 {RETURNING}"""


class _Suspect(NamedTuple):
    """A job whose lease ended, after other attempts had failed. `since`: the time of the first of them in ms."""

    row_id: int
    stage: int
    claim: str
    worker: str
    since: int


class _Loss(NamedTuple):
    """The end of a worker's lease, at a time in ms."""

    worker: str
    at: int


def hold_lost(tx: Transaction, now: int, n: int) -> int:
    """Fails those of up to n overdue jobs that MAX_WORKERS different workers were lost with, each while it held no
    other job; returns their number."""
    moves: list[Move] = []
    for suspect in [_Suspect(*row) for row in tx.all(_SUSPECTS, now=now, n=n)]:
        earlier = tx.all(_EARLIER, id=suspect.row_id, stage=suspect.stage, since=suspect.since, n=n)
        losses = _last_of_each([*(_Loss(*row) for row in earlier), _Loss(suspect.worker, now)])
        if len(losses) >= MAX_WORKERS:
            error = _evidence(losses)
            rows = tx.all(_HOLD, id=suspect.row_id, claim=suspect.claim, error=error, now=now)
            moves += [Move(*row) for row in rows]
    count_expired(tx, moves)
    tx.record_moves(EventKind.FAILED, moves, now, message=LOST)
    return len(moves)


def _last_of_each(losses: Iterable[_Loss]) -> list[_Loss]:
    last: dict[str, _Loss] = {}
    for loss in losses:
        last.pop(loss.worker, None)
        last[loss.worker] = loss
    return list(last.values())


def _evidence(losses: list[_Loss]) -> str:
    workers = ", ".join(f"{loss.worker} ({_shown(loss.at)})" for loss in losses)
    return (
        f"lost with {len(losses)} different workers: {workers}. Each of them ended, or stopped renewing its lease,"
        " while it held only this job. Find the cause, for example too little memory; then retry the job."
    )


def _shown(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
