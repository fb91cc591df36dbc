"""The operations of the sweeper: expire jobs past their deadline, delete old events, merge old statistics.

A master may also request that the flagged jobs of a stage are requeued.
"""

import time
from functools import partial

from jobserver.core.lists import JobList
from jobserver.jobs.clock import now_ms
from jobserver.jobs.outages import Outages
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import deleting, events, late_results, lists, losses, requeuing, statistics
from jobserver.store.queries.statistics import HOUR_S, MINUTE_S
from jobserver.store.transaction import SLOT_S, Transaction

LONGEST_S = 0.3  # of the steps between two sweeps: a late sweep would be taken for the end of an outage
TOGETHER = 500  # jobs or rows in one transaction; small, so that claims do not wait long
CHECK_EVERY_MS = 10_000
MS_PER_HOUR = 3_600_000
MINUTES_AFTER_MS = 2 * MS_PER_HOUR
HOURS_AFTER_MS = 50 * MS_PER_HOUR


class Expiry:
    """The operations on jobs past their deadline, over one commit queue."""

    def __init__(self, commit_queue: CommitQueue, database: Database, outages: Outages) -> None:
        self._commit_queue = commit_queue
        self._database = database
        self._outages = outages

    def sweep(self) -> int:
        """Marks, fails or requeues every job whose lifetime in its stage has ended; returns their number."""
        total = 0
        while self._database.read(requeuing.ANY_DUE, now=(now := self._outages.sweep_time())):
            # The time of queuing, not of execution: a heartbeat that is earlier in the queue is in time.
            total += self._commit_queue.run(partial(_expire, now=now))
            self._outages.swept(now)
        self._outages.swept(now)
        return total

    def degrade(self, job_list: JobList, old: int, new: int) -> int:
        """Moves the flagged jobs of stage `old` to `new`, all of them or none; returns their number."""

        def work(tx: Transaction) -> int:
            lists.require_active(tx.all, job_list.id)
            return requeuing.degrade(tx, job_list.id, old, new, now_ms())

        return self._commit_queue.run(work, bulk=True)

    def flagged(self, job_list: JobList) -> int:
        """Returns the number of flagged jobs of a list."""
        return sum(count.flagged for count in lists.counts(self._database.read, job_list.id).values())


class Retention:
    """Keeps the database small: deletes old events and late results, and merges old statistics into longer slots."""

    def __init__(self, commit_queue: CommitQueue, database: Database, history_days: float) -> None:
        self._commit_queue = commit_queue
        self._database = database
        self._history_ms = round(history_days * 24 * MS_PER_HOUR)
        self._next = 0

    def run(self) -> None:
        """Deletes and merges rows in small steps, for about LONGEST_S. The next call, or the next server, continues."""
        end_s = time.monotonic() + LONGEST_S
        while (self.purge() or self.step()) and time.monotonic() < end_s:
            pass

    def purge(self) -> bool:
        """Deletes some rows of a deleted list; returns whether there is one."""
        list_id = deleting.next_to_purge(self._database.read)
        if list_id is not None:
            self._commit_queue.run(partial(deleting.purge, list_id=list_id, n=TOGETHER), bulk=True)
        return list_id is not None

    def step(self) -> int:
        """Deletes and merges some old rows, if a check is due; returns the number of rows."""
        now = now_ms()
        if now < self._next:
            return 0
        old, any_row = now - self._history_ms, self._database.read
        done = 0
        future = now + 24 * MS_PER_HOUR  # written while the clock was wrong
        first = events.oldest_outside(any_row, old, future)
        if first is not None:
            done += self._commit_queue.run(lambda tx: events.forget(tx, first, old, future, TOGETHER))
        late = late_results.oldest_outside(any_row, old, future)
        if late is not None:
            done += self._commit_queue.run(lambda tx: late_results.forget(tx, late, old, future, TOGETHER))
        if any_row(statistics.ANY_OLD_WORKER, before=old):
            done += self._commit_queue.run(lambda tx: statistics.forget_workers(tx, old, TOGETHER))
        for span_s, into_s, after_ms in ((SLOT_S, MINUTE_S, MINUTES_AFTER_MS), (MINUTE_S, HOUR_S, HOURS_AFTER_MS)):
            done += self._fold(span_s, into_s, now - after_ms)
        self._next = 0 if done else now + CHECK_EVERY_MS
        return done

    def _fold(self, span_s: int, into_s: int, before: int) -> int:
        before -= before % (into_s * 1000)  # whole slots only

        def work(tx: Transaction) -> int:
            return statistics.fold(tx, span_s, into_s, before, TOGETHER)

        return (
            self._commit_queue.run(work)
            if self._database.read(statistics.ANY_OLD_SLOT, span=span_s, before=before)
            else 0
        )


def _expire(tx: Transaction, now: int) -> int:
    available = requeuing.end_pauses(tx, now, TOGETHER)
    held = losses.hold_lost(tx, now, TOGETHER)
    failed = requeuing.fail_overdue(tx, now, TOGETHER)
    lost = requeuing.requeue_lost(tx, now, TOGETHER)
    requeued = requeuing.requeue_overdue(tx, now, TOGETHER)
    return available + held + failed + lost + requeued + requeuing.mark_overdue(tx, now, TOGETHER)
