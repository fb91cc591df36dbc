"""Queries of an operator's actions on jobs: cancel, skip, delete, retry, fail, set the priority.

The events name the actor. A job is not held if no worker has a claim on it, or if its lifetime in the stage is over.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobserver.core.operations import Target
from jobserver.core.states import Condition, Event, EventKind, Hold, Move, Outcome
from jobserver.store.queries.completing import PREVIOUS, RETURNING, failing, moving
from jobserver.store.queries.requeuing import FLAGGED, RETRY_FAILURES
from jobserver.store.transaction import Transaction, array

_CHOSEN = "list_id = :list AND jobid IN ({json_ids})"
_SEEN = f"""{_CHOSEN} AND jobstage = COALESCE(CAST(:stage AS INTEGER), jobstage)
    AND attempt = COALESCE(CAST(:attempt AS INTEGER), attempt)"""
_HELD = "claim IS NOT NULL AND overdue = 0"
_NOT_DONE = "(jobstage % 2 = 1 OR jobstage < :last)"
_REQUEST_CANCEL = f"UPDATE job SET cancel = 1 WHERE {_SEEN} AND {_HELD} RETURNING id, jobid, jobstage"
_CANCEL = f"""{
    failing(
        outcome=f"'{Outcome.CANCELLED.value}'",
        condition=f"'{Condition.CANCELLED_BY_USER.value}'",
        failure="0",
        error="'cancelled'",
    )
}, jobstage = jobstage + 1 - jobstage % 2, hold = 'none', datecommitted = :now, deadline = NULL
    WHERE {_SEEN} AND NOT ({_HELD}) AND outcome = 'none' AND {_NOT_DONE} {RETURNING}"""
_SKIP = f"""UPDATE job SET {PREVIOUS}, jobstage = :last, claim = NULL, client_token = 0, cancel = 0, phase = 'none',
    lease_ms = NULL, lifetime_end = NULL, deadline = NULL, hold = '{Hold.DISABLED.value}', overdue = 0,
    outcome = 'none', condition = '{Condition.SKIPPED.value}', attempt = 0, failures = 0, failing_since = NULL,
    datecommitted = :now, renewed = :now WHERE {_CHOSEN} AND NOT ({_HELD}) AND {_NOT_DONE} {RETURNING}"""
_TO = f"COALESCE(CAST(:to AS INTEGER), CASE WHEN {FLAGGED} THEN jobstage - 2 + jobstage % 2 ELSE 0 END)"
_RETRY = f"""{moving(to=_TO, failures=RETRY_FAILURES, error="error")}
    WHERE {_CHOSEN} AND ({FLAGGED} OR (:done = 1 AND NOT {_NOT_DONE})) AND jobstage > COALESCE(CAST(:to AS INTEGER), 0)
    {RETURNING}"""
_DELETABLE = f"""SELECT id, jobid, jobstage, overdue, outcome FROM job WHERE {_CHOSEN} AND NOT ({_HELD})
    ORDER BY jobid{{wait_locked}}"""
_DELETE = tuple(
    f"DELETE FROM {table} WHERE {column} {{any_of}}{{json_ids}}{{end_any}}"
    for table, column in (("event", "job_id"), ("late_result", "job_id"), ("replica", "job_id"), ("job", "id"))
)
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
_PLACES = f"""SELECT jobid, jobstage, attempt, CASE WHEN {_HELD} THEN 1 ELSE 0 END, outcome, condition FROM job
    WHERE {_CHOSEN}"""


class Place(NamedTuple):
    """The state of a job, for the reason why an action did not change it."""

    jobid: int
    stage: int
    attempt: int
    held: int
    outcome: str
    condition: str


def places(tx: Transaction, list_id: int, jobids: Sequence[int]) -> dict[int, Place]:
    """Returns the states of these jobs, by jobid; a job that does not exist has none."""
    return {row[0]: Place(*row) for row in tx.all(_PLACES, list=list_id, ids=array(jobids))}


def request_cancel(tx: Transaction, list_id: int, targets: Iterable[Target], actor: str, now: int) -> set[int]:
    """Requests that the workers of these jobs stop; returns the jobs that a worker holds."""
    requested: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for seen, jobids in _by_place(targets).items():
        for row_id, jobid, stage in tx.all(_REQUEST_CANCEL, list=list_id, ids=array(jobids), **seen._asdict()):
            requested[stage].append((row_id, jobid))
    for stage, jobs in sorted(requested.items()):
        ids = tuple(jobid for _row_id, jobid in jobs)
        event = Event(list_id, EventKind.CANCEL_REQUESTED, ids, len(jobs), stage, stage, actor=actor)
        tx.record(event, now, [row_id for row_id, _jobid in jobs])
    return {jobid for jobs in requested.values() for _row_id, jobid in jobs}


def cancel(tx: Transaction, list_id: int, targets: Iterable[Target], last: int, actor: str, now: int) -> set[int]:
    """Cancels those of these jobs that are neither held nor done; returns them. A waiting job moves to the odd stage
    after its own. `last`: the last stage of the list."""
    moves = [
        Move(*row)
        for seen, jobids in _by_place(targets).items()
        for row in tx.all(_CANCEL, list=list_id, ids=array(jobids), last=last, now=now, **seen._asdict())
    ]
    tx.record_moves(EventKind.CANCELLED, moves, now, actor)
    return {move.jobid for move in moves}


def skip(tx: Transaction, list_id: int, jobids: Sequence[int], last: int, actor: str, now: int) -> set[int]:
    """Moves those of these jobs that are neither held nor done to the last stage; returns them. No worker can claim a
    skipped job, even if the list gets more stages."""
    moves = [Move(*row) for row in tx.all(_SKIP, list=list_id, ids=array(jobids), last=last, now=now)]
    tx.record_moves(EventKind.SKIPPED, moves, now, actor)
    return {move.jobid for move in moves}


def retry(
    tx: Transaction, list_id: int, jobids: Sequence[int], to: int | None, done: bool, last: int, actor: str, now: int
) -> set[int]:
    """Moves the flagged ones of these jobs to the lower even stage `to`; None: each to the stage before its own.
    `done`: also the done ones; None: to stage 0. Returns the moved jobs."""
    rows = tx.all(_RETRY, list=list_id, ids=array(jobids), to=to, done=int(done), last=last, now=now)
    moves = [Move(*row) for row in rows]
    tx.record_moves(EventKind.REQUEUED, moves, now, actor)
    return {move.jobid for move in moves}


def delete(tx: Transaction, list_id: int, jobids: Sequence[int], actor: str, now: int) -> set[int]:
    """Deletes those of these jobs that are not held, with everything that belongs to them; returns them."""
    rows = tx.all(_DELETABLE, list=list_id, ids=array(jobids))
    if not rows:
        return set()
    ids = array(row[0] for row in rows)
    for statement in _DELETE:
        tx.run(statement, ids=ids)
    for _row_id, _jobid, stage, overdue, outcome in rows:
        ended = outcome != Outcome.NONE.value
        tx.count(list_id, stage, jobs=-1, flagged=-int(bool(overdue) or ended), failed=-int(ended))
    deleted = tuple(row[1] for row in rows)
    tx.record(Event(list_id, EventKind.DELETED, deleted, len(deleted), actor=actor), now)
    return set(deleted)


def fail(tx: Transaction, list_id: int, jobid: int, actor: str, now: int) -> bool:
    """Fails a running job: its worker loses the claim, and no worker can claim the job until a retry."""
    rows = tx.all(_FAIL_RUNNING, list=list_id, jobid=jobid, error=f"failed by {actor}", now=now)
    moves = [Move(*row) for row in rows]
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


class _Seen(NamedTuple):
    stage: int | None
    attempt: int | None


def _by_place(targets: Iterable[Target]) -> dict[_Seen, list[int]]:
    """Returns the jobids by the stage and attempt in which the operator saw the jobs."""
    seen: dict[_Seen, list[int]] = defaultdict(list)
    for target in targets:
        seen[_Seen(target.stage, target.attempt)].append(target.jobid)
    return seen
