"""Queries on jobs whose lifetime is over: failed, sent back by themselves, flagged, degraded."""

from jobserver.store.connection import Row
from jobserver.store.queries.completing import BACK, FAIL, GIVES_UP
from jobserver.store.queries.history import remember
from jobserver.store.transaction import Transaction

# Expiry is proved twice, for another server may be at the same job: where the rows are chosen, and in the change.
_OVERDUE = "deadline < :now AND flag <= 0"
_SOME_OVERDUE = f"id IN (SELECT id FROM job WHERE {_OVERDUE} ORDER BY deadline LIMIT :n) AND {_OVERDUE}"
_LAST_TIME = f"(jobstage % 2 = 1 AND {GIVES_UP})"
_FAIL_OVERDUE = FAIL.format(chosen=f"{_SOME_OVERDUE} AND {_LAST_TIME}")

_REQUEUE_STAGE = """(SELECT requeue FROM lifetime
    WHERE lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage)"""
_REQUEUE = BACK.format(
    to=_REQUEUE_STAGE,
    failures="failures + jobstage % 2",
    error="CASE WHEN jobstage % 2 = 1 THEN 'expired' ELSE error END",
    chosen=f"{_SOME_OVERDUE} AND NOT {_LAST_TIME} AND {_REQUEUE_STAGE} IS NOT NULL",
)
_DEGRADE = BACK.format(
    to=":to", failures="CASE WHEN flag >= 2 THEN 0 ELSE failures END", error="error",
    chosen="list_id = :list AND jobstage = :old AND flag > 0",
)  # fmt: skip
_DEGRADE_UNFAILED = _DEGRADE.replace("AND flag > 0", "AND flag = 1")
_FLAG = f"""UPDATE job SET flag = 1, failures = failures + jobstage % 2
    WHERE {_SOME_OVERDUE} AND NOT {_LAST_TIME} AND {_REQUEUE_STAGE} IS NULL RETURNING list_id, jobid, jobstage"""


def fail_overdue(tx: Transaction, now: int, n: int) -> list[Row]:
    """Fails what is overdue for the last time that its stage's max_attempts allows."""
    rows = tx.all(_FAIL_OVERDUE, now=now, n=n, error=None, reason="expired", failure=1)
    _count_expired(tx, rows)
    remember(tx, rows, "failed", now, "expired")
    return rows


def requeue_overdue(tx: Transaction, now: int, n: int) -> list[Row]:
    """Sends back what is overdue in stages that say where to."""
    rows = tx.all(_REQUEUE, now=now, n=n)
    _count_expired(tx, rows)
    remember(tx, rows, "expired", now, None)
    return rows


def flag_overdue(tx: Transaction, now: int, n: int) -> list[Row]:
    """Flags what is overdue: rows of (list id, jobid, stage)."""
    rows = tx.all(_FLAG, now=now, n=n)
    for list_id, _jobid, stage in rows:
        tx.count(list_id, stage, flagged=1, expired=1)
    return rows


def degrade(tx: Transaction, list_id: int, old: int, new: int, now: int) -> list[Row]:
    """Moves the flagged jobs of stage `old` to `new` and ends their claims."""
    rows = tx.all(_DEGRADE, list=list_id, old=old, to=new, now=now)
    remember(tx, rows, "sent back", now, None)
    return rows


def requeue_flagged(tx: Transaction, list_id: int, old: int, new: int, now: int) -> list[Row]:
    """The same for those that have not failed."""
    rows = tx.all(_DEGRADE_UNFAILED, list=list_id, old=old, to=new, now=now)
    remember(tx, rows, "expired", now, None)
    return rows


def _count_expired(tx: Transaction, rows: list[Row]) -> None:
    for row in rows:
        tx.count(row[1], row[3], expired=1)
