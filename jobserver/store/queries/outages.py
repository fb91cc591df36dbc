"""Queries on outages: the time of the last sweep, and more time for jobs after an outage."""

from jobserver.core.states import Hold
from jobserver.store.queries.lists import Rows
from jobserver.store.queries.requeuing import CAN_EXPIRE
from jobserver.store.transaction import Transaction

ANY_DEADLINE = f"SELECT 1 FROM job WHERE deadline IS NOT NULL AND {CAN_EXPIRE} ORDER BY deadline LIMIT 1"
_LAST_SWEEP = "SELECT value FROM metadata WHERE name = 'last_sweep'"
_FIRST_OVERDUE = f"SELECT MIN(renewed) FROM job WHERE deadline < :now AND {CAN_EXPIRE}"
_RECORD_SWEEP = """INSERT INTO metadata (name, value) VALUES ('last_sweep', :now)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
# The deadline of a delayed job is the end of its pause. :began: later claims have lost no time.
_EARLIER = f"deadline < :until AND {CAN_EXPIRE} AND hold <> '{Hold.DELAYED.value}' AND datecommitted < :began"
ANY_EARLIER = f"SELECT 1 FROM job WHERE {_EARLIER} ORDER BY deadline LIMIT 1"
_EXTEND = f"""UPDATE job SET deadline = :until,
    lifetime_end = CASE WHEN lifetime_end < :lifetime_until THEN :lifetime_until ELSE lifetime_end END
    WHERE id IN (SELECT id FROM job WHERE {_EARLIER} ORDER BY deadline LIMIT :n) AND {_EARLIER}"""


def last_sweep(rows: Rows) -> int:
    """Returns the recorded time of the last sweep in ms; 0 if there is none."""
    stored = rows(_LAST_SWEEP)
    return int(stored[0][0]) if stored else 0


def first_overdue(rows: Rows, now: int) -> int:
    """Returns the earliest time, in ms, at which an overdue job was claimed or renewed; `now` if none is overdue."""
    return int(rows(_FIRST_OVERDUE, now=now)[0][0] or now)


def record_sweep(tx: Transaction, now: int) -> None:
    """Records the time of a sweep."""
    tx.run(_RECORD_SWEEP, now=str(now))


def extend(tx: Transaction, until: int, lifetime_until: int, began: int, n: int) -> int:
    """Moves up to n earlier deadlines to `until`, and earlier ends of lifetimes to `lifetime_until`, of jobs that
    entered their stage before `began`; returns the number of jobs."""
    return tx.run(_EXTEND, until=until, lifetime_until=lifetime_until, began=began, n=n)
