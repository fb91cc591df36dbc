"""Queries of an operator's actions on jobs: cancel, skip, delete, retry, fail, set the priority.

The events name the actor. A job is not held if no worker has a claim on it, or if its lifetime in the stage is over.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jobserver.core.operations import Target, claim_id
from jobserver.core.states import Condition, Event, EventKind, Hold, Move, Outcome
from jobserver.store.connection import Row
from jobserver.store.queries.completing import PREVIOUS, RETURNING, failing, moving
from jobserver.store.queries.deleting import delete_jobs
from jobserver.store.queries.requeuing import FLAGGED, RETRY_FAILURES
from jobserver.store.transaction import Transaction, array

_CHOSEN = "list_id = :list AND jobid IN ({json_ids})"
_SEEN = f"""{_CHOSEN} AND jobstage = COALESCE(CAST(:stage AS INTEGER), jobstage)
    AND (CAST(:claim AS TEXT) IS NULL OR COALESCE(claim, '') = :claim)"""
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
    datecommitted = :now, renewed = :now WHERE {_SEEN} AND NOT ({_HELD}) AND {_NOT_DONE} {RETURNING}"""
_TO = f"COALESCE(CAST(:to AS INTEGER), CASE WHEN {FLAGGED} THEN jobstage - 2 + jobstage % 2 ELSE 0 END)"
_RETRY = f"""{moving(to=_TO, failures=RETRY_FAILURES, error="error")}
    WHERE {_SEEN} AND ({FLAGGED} OR (:done = 1 AND NOT {_NOT_DONE})) AND jobstage > COALESCE(CAST(:to AS INTEGER), 0)
    {RETURNING}"""
_DELETABLE = f"""SELECT id, jobid, jobstage, overdue, outcome FROM job WHERE {_SEEN} AND NOT ({_HELD})
    ORDER BY jobid{{wait_locked}}"""
_FAIL_RUNNING = f"""{
    failing(
        outcome=f"'{Outcome.FAILED.value}'",
        condition=f"'{Condition.FAILED_BY_USER.value}'",
        failure="0",
        error=":error",
    )
} WHERE {_SEEN} AND jobstage % 2 = 1 AND outcome = 'none' {RETURNING}"""
_PRIORITY = """UPDATE job SET priority = :priority WHERE list_id = :list AND jobid IN ({json_ids})
    AND priority <> :priority RETURNING id, jobid, jobstage"""
_PLACES = f"""SELECT jobid, jobstage, attempt, CASE WHEN {_HELD} THEN 1 ELSE 0 END, outcome, condition, claim FROM job
    WHERE {_CHOSEN}"""
_CURRENT = f"SELECT jobid, jobstage, claim FROM job WHERE {_CHOSEN}"


class Place(NamedTuple):
    """The state of a job, for the reason why an action did not change it."""

    jobid: int
    stage: int
    attempt: int
    held: int
    outcome: str
    condition: str
    claim: str | None


class Seen(NamedTuple):
    """Where jobs must be for an action. `claim`: the token of the claim, empty without a claim. None: any."""

    stage: int | None
    claim: str | None


def places(tx: Transaction, list_id: int, jobids: Sequence[int]) -> dict[int, Place]:
    """Returns the states of these jobs, by jobid; a job that does not exist has none."""
    return {row[0]: Place(*row) for row in tx.all(_PLACES, list=list_id, ids=array(jobids))}


def by_place(tx: Transaction, list_id: int, targets: Iterable[Target]) -> dict[Seen, list[int]]:
    """Returns the jobids of the targets by their places, without those that are in another stage or claim now."""
    targets = list(targets)
    seen_at = [target.jobid for target in targets if (target.stage, target.claim) != (None, None)]
    rows = tx.all(_CURRENT, list=list_id, ids=array(seen_at)) if seen_at else []
    current: dict[int, tuple[int, str | None]] = {jobid: (stage, token) for jobid, stage, token in rows}
    jobs: dict[Seen, list[int]] = defaultdict(list)
    for jobid, stage, claim in targets:
        now_in, token = current.get(jobid, (None, None))
        if stage in (None, now_in) and claim in (None, claim_id(token)):
            jobs[Seen(stage, None if claim is None else token or "")].append(jobid)
    return jobs


def _each(tx: Transaction, sql: str, list_id: int, jobs: Mapping[Seen, list[int]], **values: Any) -> list[Row]:
    """Runs a statement for the jobs of each place; returns the rows. A job that has left its place is not changed."""
    return [
        row
        for seen, jobids in jobs.items()
        for row in tx.all(sql, list=list_id, ids=array(jobids), **seen._asdict(), **values)
    ]


def request_cancel(tx: Transaction, list_id: int, jobs: Mapping[Seen, list[int]], actor: str, now: int) -> set[int]:
    """Requests that the workers of these jobs stop; returns the jobs that a worker holds."""
    requested: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row_id, jobid, stage in _each(tx, _REQUEST_CANCEL, list_id, jobs):
        requested[stage].append((row_id, jobid))
    for stage, held in sorted(requested.items()):
        ids = tuple(jobid for _row_id, jobid in held)
        event = Event(list_id, EventKind.CANCEL_REQUESTED, ids, len(held), stage, stage, actor=actor)
        tx.record(event, now, [row_id for row_id, _jobid in held])
    return {jobid for held in requested.values() for _row_id, jobid in held}


def cancel(tx: Transaction, list_id: int, jobs: Mapping[Seen, list[int]], last: int, actor: str, now: int) -> set[int]:
    """Cancels those of these jobs that are neither held nor done; returns them. A waiting job moves to the odd stage
    after its own. `last`: the last stage of the list."""
    moves = [Move(*row) for row in _each(tx, _CANCEL, list_id, jobs, last=last, now=now)]
    tx.record_moves(EventKind.CANCELLED, moves, now, actor)
    return {move.jobid for move in moves}


def skip(tx: Transaction, list_id: int, jobs: Mapping[Seen, list[int]], last: int, actor: str, now: int) -> set[int]:
    """Moves those of these jobs that are neither held nor done to the last stage; returns them. No worker can claim a
    skipped job, even if the list gets more stages."""
    moves = [Move(*row) for row in _each(tx, _SKIP, list_id, jobs, last=last, now=now)]
    tx.record_moves(EventKind.SKIPPED, moves, now, actor)
    return {move.jobid for move in moves}


def retry(
    tx: Transaction, list_id: int, jobs: Mapping[Seen, list[int]], to: int | None, done: bool, last: int, actor: str,
    now: int,
) -> set[int]:  # fmt: skip
    """Moves the flagged ones of these jobs to the lower even stage `to`; None: each to the stage before its own.
    `done`: also the done ones; None: to stage 0. Returns the moved jobs."""
    moves = [Move(*row) for row in _each(tx, _RETRY, list_id, jobs, to=to, done=int(done), last=last, now=now)]
    tx.record_moves(EventKind.REQUEUED, moves, now, actor)
    return {move.jobid for move in moves}


def delete(tx: Transaction, list_id: int, jobs: Mapping[Seen, list[int]], actor: str, now: int) -> set[int]:
    """Deletes those of these jobs that are not held, with everything that belongs to them; returns them."""
    rows = _each(tx, _DELETABLE, list_id, jobs)
    if not rows:
        return set()
    delete_jobs(tx, [row[0] for row in rows])
    for _row_id, _jobid, stage, overdue, outcome in rows:
        flagged = bool(overdue) or outcome != Outcome.NONE.value
        tx.count(list_id, stage, jobs=-1, flagged=-int(flagged), outcome=outcome)
    deleted = tuple(row[1] for row in rows)
    tx.record(Event(list_id, EventKind.DELETED, deleted, len(deleted), actor=actor), now)
    return set(deleted)


def fail(tx: Transaction, list_id: int, jobs: Mapping[Seen, list[int]], actor: str, now: int) -> bool:
    """Fails running jobs: their workers lose the claims, and no worker can claim the jobs until a retry."""
    error = f"failed by {actor}"
    moves = [Move(*row) for row in _each(tx, _FAIL_RUNNING, list_id, jobs, error=error, now=now)]
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
