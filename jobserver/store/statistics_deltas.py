"""What one transaction adds to the statistics: throughput, durations, workers. Written once, at its end."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from jobserver.core import durations

SLOT_S = 10  # the finest slot of throughput

_THROUGHPUT = """INSERT INTO throughput (list_id, stage, span_s, start, jobs, busy_ms)
    VALUES (:list, :stage, :span, :start, :jobs, :busy) ON CONFLICT (list_id, stage, span_s, start)
    DO UPDATE SET jobs = throughput.jobs + excluded.jobs, busy_ms = throughput.busy_ms + excluded.busy_ms"""
_DURATION = """INSERT INTO duration (list_id, stage, bucket, jobs) VALUES (:list, :stage, :bucket, :jobs)
    ON CONFLICT (list_id, stage, bucket) DO UPDATE SET jobs = duration.jobs + excluded.jobs"""
_WORKER = """INSERT INTO worker (list_id, name, first_heard, last_heard, done, failures)
    VALUES (:list, :name, :now, :now, :done, :failures) ON CONFLICT (list_id, name)
    DO UPDATE SET last_heard = excluded.last_heard, done = worker.done + excluded.done,
    failures = worker.failures + excluded.failures"""

Run = Callable[..., Any]


class Tallies:
    """What was finished, by whom."""

    def __init__(self) -> None:
        self._slots: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
        self._buckets: dict[tuple[int, int, int], int] = defaultdict(int)
        self._workers: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])

    def finished(self, list_id: int, stage: int, ms: int, now: int, n: int = 1) -> None:
        """n jobs went through a working stage, each in so many milliseconds."""
        slot = self._slots[list_id, stage, now // 1000 // SLOT_S * SLOT_S * 1000]
        slot[0] += n
        slot[1] += n * ms
        self._buckets[list_id, stage, durations.bucket(ms)] += n

    def heard(self, list_id: int, worker: str | None, now: int, done: int = 0, failures: int = 0) -> None:
        """A worker claimed, ended a claim, or lost one."""
        if worker is not None:
            tally = self._workers[list_id, worker]
            tally[0] = now
            tally[1] += done
            tally[2] += failures

    def write(self, run: Run) -> None:
        """Adds all to the database, in order of the keys (see Transaction.flush)."""
        for (list_id, stage, start), (jobs, busy) in sorted(self._slots.items()):
            run(_THROUGHPUT, list=list_id, stage=stage, span=SLOT_S, start=start, jobs=jobs, busy=busy)
        for (list_id, stage, number), jobs in sorted(self._buckets.items()):
            run(_DURATION, list=list_id, stage=stage, bucket=number, jobs=jobs)
        for (list_id, name), (now, done, failures) in sorted(self._workers.items()):
            run(_WORKER, list=list_id, name=name, now=now, done=done, failures=failures)
