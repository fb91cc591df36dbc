"""The verbs on the clock: flag, fail and requeue what is overdue; send flagged jobs back."""

from collections import defaultdict
from functools import partial

from jobserver.core.lists import JobList
from jobserver.feed.events import Change
from jobserver.jobs.clock import now_ms
from jobserver.store.commit_queue import CommitQueue
from jobserver.store.connection import Row
from jobserver.store.database import Database
from jobserver.store.queries import lists, overdue
from jobserver.store.transaction import Transaction

TOGETHER = 500  # jobs in one transaction of the sweep, so that claims wait little for it

_ANY_OVERDUE = "SELECT 1 FROM job WHERE deadline < :now AND flag <= 0 ORDER BY deadline LIMIT 1"


class Expiry:
    """The verbs, over one writer."""

    def __init__(self, writer: CommitQueue, database: Database) -> None:
        self._writer = writer
        self._database = database

    def sweep(self) -> int:
        """Flags, fails or requeues every job whose stage's lifetime is over; how many."""
        total = 0
        while self._database.read(_ANY_OVERDUE, now=(now := now_ms())):
            # As of now, not of when its turn comes: a heartbeat that is in the queue before it came in time.
            total += self._writer.run(partial(_expire, now=now))
        return total

    def degrade(self, job_list: JobList, old: int, new: int) -> int:
        """Moves the flagged jobs of stage `old` to `new`, all of them or none; how many."""

        def work(tx: Transaction) -> int:
            rows = overdue.degrade(tx, job_list.id, old, new, now_ms())
            _note(tx, "sent back", rows)
            return len(rows)

        return self._writer.run(work, bulk=True)

    def flagged(self, job_list: JobList) -> int:
        """How many jobs of a list are flagged."""
        return sum(count.flagged for count in lists.counts(self._database.read, job_list.id).values())


def _expire(tx: Transaction, now: int) -> int:
    failed = overdue.fail_overdue(tx, now, TOGETHER)
    back = overdue.requeue_overdue(tx, now, TOGETHER)
    flagged = overdue.flag_overdue(tx, now, TOGETHER)
    _note(tx, "failed", failed)
    _note(tx, "expired", back)
    _note(tx, "flagged", [(None, list_id, jobid, stage, stage) for list_id, jobid, stage in flagged])
    return len(failed) + len(back) + len(flagged)


def _note(tx: Transaction, verb: str, rows: list[Row]) -> None:
    moves: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for row in rows:
        moves[row[1], row[3], row[4]].append(row[2])
    for (list_id, old, new), jobids in moves.items():
        tx.notes.append(Change(list_id, verb, tuple(jobids), old, new))
