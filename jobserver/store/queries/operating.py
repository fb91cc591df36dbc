"""Queries of an operator's actions on jobs: retry, fail, cancel, set the priority. The events name the actor."""

from collections import defaultdict
from collections.abc import Sequence

from jobserver.core.states import Condition, Event, EventKind, Move, Outcome
from jobserver.store.queries.completing import RETURNING, failing, moving
from jobserver.store.queries.requeuing import FLAGGED, RETRY_FAILURES
from jobserver.store.transaction import Transaction, array

_TO = "COALESCE(CAST(:to AS INTEGER), jobstage - 2 + jobstage % 2)"
_RETRY = f"""{moving(to=_TO, failures=RETRY_FAILURES, error="error")}
    WHERE list_id = :list AND {FLAGGED} AND jobstage > COALESCE(CAST(:to AS INTEGER), 0) AND jobid IN ({{json_ids}})
    {RETURNING}"""
_FAIL_RUNNING = f"""{
    failing(
        outcome=f"'{Outcome.FAILED.value}'",
        condition=f"'{Condition.FAILED_BY_USER.value}'",
        failure="0",
        error=":error",
    )
} WHERE list_id = :list AND jobid = :jobid AND jobstage % 2 = 1 AND outcome = 'none' {RETURNING}"""
_PRIORITY = """UPDATE job SET priority = :priority WHERE list_id = :list AND jobid IN ({json_ids})
    AND priority <> :priority RETURNING id, jobid, jobstage"""
_CANCEL = """UPDATE job SET cancel = 1 WHERE list_id = :list AND jobid = :jobid AND claim IS NOT NULL
    RETURNING id, jobstage"""


def retry(tx: Transaction, list_id: int, jobids: Sequence[int], to: int | None, actor: str, now: int) -> int:
    """Moves the flagged ones of these jobs to the lower even stage `to`; None: each to the stage before its own.
    Returns the number of moved jobs."""
    moves = [Move(*row) for row in tx.all(_RETRY, list=list_id, ids=array(jobids), to=to, now=now)]
    tx.record_moves(EventKind.REQUEUED, moves, now, actor)
    return len(moves)


def fail(tx: Transaction, list_id: int, jobid: int, actor: str, now: int) -> bool:
    """Fails a running job: its worker loses the claim, and no worker can claim the job until a retry."""
    moves = [
        Move(*row) for row in tx.all(_FAIL_RUNNING, list=list_id, jobid=jobid, error=f"failed by {actor}", now=now)
    ]
    tx.record_moves(EventKind.FAILED, moves, now, actor)
    return bool(moves)


def set_priority(tx: Transaction, list_id: int, jobids: Sequence[int], priority: int, actor: str, now: int) -> int:
    """Sets the priority of jobs; returns the number of changed jobs."""
    rows = tx.all(_PRIORITY, list=list_id, ids=array(jobids), priority=priority)
    stages: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row_id, jobid, stage in rows:
        stages[stage].append((row_id, jobid))
    for stage, jobs in sorted(stages.items()):
        changed, message = tuple(jobid for _row_id, jobid in jobs), f"now {priority}"
        event = Event(list_id, EventKind.PRIORITY, changed, len(jobs), stage, stage, actor=actor, message=message)
        tx.record(event, now, [row_id for row_id, _jobid in jobs])
    return len(rows)


def request_cancel(tx: Transaction, list_id: int, jobid: int, actor: str | None, now: int) -> bool:
    """Requests that the worker that holds the job stops; returns whether a worker holds it."""
    rows = tx.all(_CANCEL, list=list_id, jobid=jobid)
    for row_id, stage in rows:
        event = Event(list_id, EventKind.CANCEL_REQUESTED, (jobid,), 1, stage, stage, actor=actor)
        tx.record(event, now, [row_id])
    return bool(rows)
