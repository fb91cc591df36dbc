"""The operations on overdue jobs: mark, fail and requeue; and the requeue of flagged jobs."""

from functools import partial

from jobserver.core.lists import JobList
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import lists, requeuing
from jobserver.store.transaction import Transaction

TOGETHER = 500  # jobs in one transaction of the sweep; small, so that claims do not wait long


class Expiry:
    """The operations, over one commit queue."""

    def __init__(self, commit_queue: CommitQueue, database: Database) -> None:
        self._commit_queue = commit_queue
        self._database = database

    def sweep(self) -> int:
        """Marks, fails or requeues every job whose lifetime in its stage has ended; returns their number."""
        total = 0
        while self._database.read(requeuing.ANY_OVERDUE, now=(now := now_ms())):
            # The time of queuing, not of execution: a heartbeat that is earlier in the queue is in time.
            total += self._commit_queue.run(partial(_expire, now=now))
        return total

    def degrade(self, job_list: JobList, old: int, new: int) -> int:
        """Moves the flagged jobs of stage `old` to `new`, all of them or none; returns their number."""
        return self._commit_queue.run(lambda tx: requeuing.degrade(tx, job_list.id, old, new, now_ms()), bulk=True)

    def flagged(self, job_list: JobList) -> int:
        """Returns the number of flagged jobs of a list."""
        return sum(count.flagged for count in lists.counts(self._database.read, job_list.id).values())


def _expire(tx: Transaction, now: int) -> int:
    failed = requeuing.fail_overdue(tx, now, TOGETHER)
    requeued = requeuing.requeue_overdue(tx, now, TOGETHER)
    return failed + requeued + requeuing.mark_overdue(tx, now, TOGETHER)
