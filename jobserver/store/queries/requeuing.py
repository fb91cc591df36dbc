"""Queries that requeue or fail overdue jobs, without a report of their worker."""

from collections import defaultdict

from jobserver.core.states import Condition, Event, EventKind, Hold, Move, Outcome
from jobserver.store.queries.completing import GIVES_UP, LIFETIME, RETURNING, failing, moving
from jobserver.store.transaction import Transaction

# The condition is checked in the subquery and in the UPDATE: another server may process the same job.
CAN_EXPIRE = "overdue = 0 AND outcome = 'none'"
FLAGGED = "(overdue = 1 OR outcome <> 'none')"
_DUE = f"deadline < :now AND {CAN_EXPIRE}"
ANY_DUE = f"SELECT 1 FROM job WHERE {_DUE} ORDER BY deadline LIMIT 1"
OVERDUE = f"{_DUE} AND hold <> '{Hold.DELAYED.value}'"  # the deadline of a delayed job is the end of its pause
SOME_OVERDUE = f"id IN (SELECT id FROM job WHERE {OVERDUE} ORDER BY deadline LIMIT :n) AND {OVERDUE}"
_LAST_TIME = f"(jobstage % 2 = 1 AND {GIVES_UP})"
# The lease ended, not the lifetime.
LOST_CLAIM = "lease_ms IS NOT NULL AND (lifetime_end IS NULL OR lifetime_end >= :now)"
LOST_ERROR = "lost: its worker did not renew the lease"
_FAIL = failing(
    outcome=f"CASE WHEN cancel = 1 THEN '{Outcome.CANCELLED.value}' ELSE '{Outcome.FAILED.value}' END",
    condition=f"""CASE WHEN cancel = 1 THEN '{Condition.CANCELLED_BY_USER.value}'
        WHEN {LOST_CLAIM} THEN '{Condition.LOST.value}' ELSE '{Condition.TIMEOUT.value}' END""",
    failure="1",
    error=f"CASE WHEN {LOST_CLAIM} THEN '{LOST_ERROR}' ELSE COALESCE(error, 'expired') END",
)
_FAIL_OVERDUE = f"{_FAIL} WHERE {SOME_OVERDUE} AND {_LAST_TIME} {RETURNING}, outcome, condition"
_REQUEUE_LOST = f"""{moving(to="previous_stage", failures="failures + 1", error=f"'{LOST_ERROR}'")}
    WHERE {SOME_OVERDUE} AND NOT {_LAST_TIME} AND {LOST_CLAIM} {RETURNING}"""
_END_PAUSES = f"""UPDATE job SET hold = 'none', deadline = :now + {LIFETIME.format(to="jobstage")}
    WHERE id IN (SELECT id FROM job WHERE {_DUE} ORDER BY deadline LIMIT :n) AND {_DUE}
    AND hold = '{Hold.DELAYED.value}' RETURNING id, list_id, jobid, jobstage"""
_REQUEUE_STAGE = """(SELECT requeue FROM lifetime
    WHERE lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage)"""
_REQUEUE = f"""{
    moving(
        to=_REQUEUE_STAGE,
        failures="failures + jobstage % 2",
        error="CASE WHEN jobstage % 2 = 1 THEN 'expired' ELSE error END",
    )
} WHERE {SOME_OVERDUE} AND NOT {_LAST_TIME} AND {_REQUEUE_STAGE} IS NOT NULL {RETURNING}"""
RETRY_FAILURES = "CASE WHEN outcome <> 'none' THEN 0 ELSE failures END"
_DEGRADE = f"""{moving(to=":to", failures=RETRY_FAILURES, error="error")}
    WHERE list_id = :list AND jobstage = :old AND {{flagged}} {RETURNING}"""
_DEGRADE_ALL = _DEGRADE.replace("{flagged}", FLAGGED)
_DEGRADE_OVERDUE = _DEGRADE.replace("{flagged}", "overdue = 1")
_MARK = f"""UPDATE job SET overdue = 1, failures = failures + jobstage % 2
    WHERE {SOME_OVERDUE} AND NOT {_LAST_TIME} AND {_REQUEUE_STAGE} IS NULL RETURNING id, list_id, jobid, jobstage"""
LOST = Condition.LOST.value  # the message of the events of jobs whose lease ended
EXPIRED = "expired"  # the message of the events of jobs whose lifetime ended


def fail_overdue(tx: Transaction, now: int, n: int) -> int:
    """Fails up to n overdue jobs that have used the max_attempts of their stage; returns their number."""
    rows = tx.all(_FAIL_OVERDUE, now=now, n=n)
    same: dict[tuple[str, str], list[Move]] = defaultdict(list)
    for *row, outcome, condition in rows:
        same[outcome, condition].append(Move(*row))
    for (outcome, condition), moves in sorted(same.items()):
        count_expired(tx, moves)
        kind = EventKind.FAILED if outcome == Outcome.FAILED.value else EventKind.CANCELLED
        tx.record_moves(kind, moves, now, message=LOST if condition == Condition.LOST.value else EXPIRED)
    return len(rows)


def requeue_lost(tx: Transaction, now: int, n: int) -> int:
    """Moves up to n jobs whose lease has ended back to the stage that they were claimed from; returns their number."""
    moves = [Move(*row) for row in tx.all(_REQUEUE_LOST, now=now, n=n)]
    count_expired(tx, moves)
    tx.record_moves(EventKind.REQUEUED, moves, now, message=LOST)
    return len(moves)


def end_pauses(tx: Transaction, now: int, n: int) -> int:
    """Makes up to n jobs available whose pause after a failure has ended; returns their number."""
    places: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for row_id, list_id, jobid, stage in tx.all(_END_PAUSES, now=now, n=n):
        places[list_id, stage].append((row_id, jobid))
    for (list_id, stage), jobs in sorted(places.items()):
        event = Event(list_id, EventKind.PAUSE_ENDED, tuple(jobid for _row_id, jobid in jobs), len(jobs), stage, stage)
        tx.record(event, now, [row_id for row_id, _jobid in jobs])
    return sum(map(len, places.values()))


def requeue_overdue(tx: Transaction, now: int, n: int) -> int:
    """Moves up to n overdue jobs to the requeue stage of their stage, if it has one; returns their number."""
    moves = [Move(*row) for row in tx.all(_REQUEUE, now=now, n=n)]
    count_expired(tx, moves)
    tx.record_moves(EventKind.REQUEUED, moves, now, message=EXPIRED)
    return len(moves)


def mark_overdue(tx: Transaction, now: int, n: int) -> int:
    """Marks up to n other overdue jobs; returns their number."""
    places: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for row_id, list_id, jobid, stage in tx.all(_MARK, now=now, n=n):
        places[list_id, stage].append((row_id, jobid))
    for (list_id, stage), jobs in sorted(places.items()):
        tx.count(list_id, stage, flagged=len(jobs), expired=len(jobs))
        jobids = tuple(jobid for _row_id, jobid in jobs)
        event = Event(list_id, EventKind.EXPIRED, jobids, len(jobs), stage, stage)
        tx.record(event, now, [row_id for row_id, _jobid in jobs])
    return sum(map(len, places.values()))


def degrade(tx: Transaction, list_id: int, old: int, new: int, now: int) -> int:
    """Moves the flagged jobs of stage `old` to `new` and ends their claims; returns their number."""
    moves = [Move(*row) for row in tx.all(_DEGRADE_ALL, list=list_id, old=old, to=new, now=now)]
    tx.record_moves(EventKind.REQUEUED, moves, now)
    return len(moves)


def requeue_marked(tx: Transaction, list_id: int, old: int, new: int, now: int) -> None:
    """Moves the overdue jobs of stage `old` that have not failed to `new`."""
    moves = [Move(*row) for row in tx.all(_DEGRADE_OVERDUE, list=list_id, old=old, to=new, now=now)]
    tx.record_moves(EventKind.REQUEUED, moves, now, message=EXPIRED)


def count_expired(tx: Transaction, moves: list[Move]) -> None:
    """Counts jobs that a deadline moved."""
    for move in moves:
        tx.count(move.list_id, move.from_stage, expired=1)
