"""The verbs that keep the database small: old history is forgotten, old statistics are folded into longer slots."""

from jobserver.jobs.clock import now_ms
from jobserver.store.commit_queue import CommitQueue
from jobserver.store.database import Database
from jobserver.store.queries import history, statistics
from jobserver.store.queries.statistics import HOUR_S, MINUTE_S
from jobserver.store.statistics_deltas import SLOT_S
from jobserver.store.transaction import Transaction

TOGETHER = 500  # rows in one transaction, so that claims wait little for it
LOOK_EVERY_MS = 10_000
MS_PER_HOUR = 3_600_000
MINUTES_AFTER_MS = 2 * MS_PER_HOUR
HOURS_AFTER_MS = 50 * MS_PER_HOUR

_ANY_HISTORY = "SELECT 1 FROM history WHERE ended < :before ORDER BY ended LIMIT 1"
_ANY_SLOT = "SELECT 1 FROM throughput WHERE span_s = :span AND start < :before LIMIT 1"
_ANY_WORKER = "SELECT 1 FROM worker WHERE list_id IN (SELECT id FROM job_list) AND last_heard < :before LIMIT 1"


class Retention:
    """The verbs, over one writer."""

    def __init__(self, writer: CommitQueue, database: Database, history_days: float) -> None:
        self._writer = writer
        self._database = database
        self._history_ms = round(history_days * 24 * MS_PER_HOUR)
        self._next = 0

    def step(self, steps: int = 20) -> int:
        """Does some of what there is to tidy, if it is time to, in small steps; how many rows."""
        now = now_ms()
        if now < self._next:
            return 0
        old, any_row = now - self._history_ms, self._database.read
        done = 0
        if any_row(_ANY_HISTORY, before=old):
            done += self._writer.run(lambda tx: history.forget(tx, old, TOGETHER))
        if any_row(_ANY_WORKER, before=old):
            done += self._writer.run(lambda tx: statistics.forget_workers(tx, old, TOGETHER))
        for span_s, into_s, after_ms in ((SLOT_S, MINUTE_S, MINUTES_AFTER_MS), (MINUTE_S, HOUR_S, HOURS_AFTER_MS)):
            done += self._fold(span_s, into_s, now - after_ms)
        self._next = 0 if done else now + LOOK_EVERY_MS
        return done + (self.step(steps - 1) if done and steps > 1 else 0)

    def _fold(self, span_s: int, into_s: int, before: int) -> int:
        before -= before % (into_s * 1000)  # whole slots only

        def work(tx: Transaction) -> int:
            return statistics.fold(tx, span_s, into_s, before, TOGETHER)

        return self._writer.run(work) if self._database.read(_ANY_SLOT, span=span_s, before=before) else 0
