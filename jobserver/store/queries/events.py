"""Queries on events: the end of a claim, the history of a job, the deletion of old events.

The event of a claim's end identifies repeated reports. `Transaction.record…` writes the events.
"""

from typing import NamedTuple

from jobserver.core.states import EventKind
from jobserver.store.queries.lists import Rows
from jobserver.store.queries.requeuing import EXPIRED, LOST
from jobserver.store.transaction import Transaction

_ENDED = """SELECT from_stage, to_stage, kind, message, worker FROM event WHERE claim = :claim AND job_id = :id
    ORDER BY id DESC LIMIT 1"""
_HISTORY = """SELECT kind, from_stage, to_stage, started, at, worker, actor, message FROM event WHERE job_id = :id
    ORDER BY id DESC LIMIT :n"""
_CHANGED = "SELECT DISTINCT list_id FROM event WHERE id > :after"
_LATEST = "SELECT COALESCE(MAX(id), 0) FROM event"
# The oldest rows have the lowest ids: no index on the time is needed.
_OLDEST = "SELECT id FROM event WHERE id = (SELECT MIN(id) FROM event) AND (at < :before OR at > :after)"
_FORGET = "DELETE FROM event WHERE id >= :first AND id < CAST(:first AS BIGINT) + :n AND (at < :before OR at > :after)"
# The message of a FAILED event may also be the words of a worker: restore_claim() checks the condition of the job.
_BY_SERVER = (EventKind.REQUEUED, EventKind.FAILED, EventKind.CANCELLED)


class ClaimEnd(NamedTuple):
    """The end of a claim on a job in working stage `work`; `stage`: the stage after it. `message`: the error that its
    worker reported, why its result was invalid, or why the server ended the claim."""

    work: int
    stage: int
    kind: EventKind
    message: str | None = None
    worker: str | None = None

    @property
    def was_lost(self) -> bool:
        """Whether the lease of the claim ended."""
        return self.message == LOST and self.kind in _BY_SERVER

    @property
    def by_deadline(self) -> bool:
        """Whether the server ended the claim, because its lease or its lifetime was over."""
        return self.message in (LOST, EXPIRED) and self.kind in _BY_SERVER


class HistoryEntry(NamedTuple):
    """One event of a job. Times in ms since 1970; `started`: the start of the claim that ended with this event."""

    kind: str
    from_stage: int | None
    to_stage: int | None
    started: int | None
    at: int
    worker: str | None
    actor: str | None
    message: str | None


def claim_end(tx: Transaction, job_row: int, token: str) -> ClaimEnd | None:
    """Returns the end of a claim on this job; None if no such claim has ended."""
    rows = tx.all(_ENDED, id=job_row, claim=token)
    if not rows:
        return None
    work, stage, kind, message, worker = rows[0]
    return ClaimEnd(work, stage, EventKind(kind), message, worker)


def history(rows: Rows, job_row: int, n: int) -> list[HistoryEntry]:
    """Returns the last n events of a job, newest first."""
    return [HistoryEntry(*row) for row in rows(_HISTORY, id=job_row, n=n)]


def latest(rows: Rows) -> int:
    """Returns the id of the latest event."""
    return int(rows(_LATEST)[0][0])


def changed_lists(rows: Rows, after: int) -> set[int]:
    """Returns the ids of the lists that have events with higher ids than `after`."""
    return {list_id for (list_id,) in rows(_CHANGED, after=after)}


def oldest_outside(rows: Rows, before: int, after: int) -> int | None:
    """The id of the oldest event, if it is older than `before`, or, by a clock that was wrong, later than `after`."""
    found = rows(_OLDEST, before=before, after=after)
    return int(found[0][0]) if found else None


def forget(tx: Transaction, first: int, before: int, after: int, n: int) -> int:
    """Deletes up to n events from the id `first` on that are outside of these times; returns how many."""
    return tx.run(_FORGET, first=first, before=before, after=after, n=n)
