"""A batch of claimed jobs: how many to claim, how they end, and what happens if one of them is slow."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from ..api.types import Job
from .attempt import Ending, GivenBack
from .renewal import Hold

log = logging.getLogger(__name__)

TARGET_S = 1.0  # work in a batch: lost if the worker is killed, and what others wait for near the end of the list
SLOW_S = 2.0  # twice the target
MAX_SIZE = 1000  # the protocol's
MAX_GROWTH = 8
MAX_BYTES = 16 << 20  # of the jobcmds in a batch, well below the maximum size of a response
SAMPLE = 10  # jobs whose size is measured
NOT_STARTED = GivenBack()

Endings = list[tuple[Job, Ending]]


class BatchSize:
    """`n`: how many jobs to claim next. It starts with one, and stays there until a job is done."""

    def __init__(self) -> None:
        self.n = 1
        self._max = MAX_SIZE

    def claimed(self, jobs: Sequence[Job]) -> None:
        """Limits the size of the next batches if these jobs are large."""
        sample = jobs[:: -(-len(jobs) // SAMPLE)]
        mean_bytes = sum(len(json.dumps(job.jobcmd)) for job in sample) / len(sample)
        self._max = max(1, min(MAX_SIZE, int(MAX_BYTES / mean_bytes)))

    def measured(self, done: int, seconds: float) -> None:
        """So many jobs were done in that time, from the request that claimed them to their end."""
        fitting = int(TARGET_S * done / seconds) if seconds > 0 else MAX_SIZE
        self.n = max(1, min(fitting, MAX_GROWTH * self.n, self._max))


class Batch:
    """The jobs of one claim. Safe to use from two threads: one works, the other may take what is not running."""

    def __init__(self, holds: Iterable[Hold]) -> None:
        self._lock = threading.Lock()
        self._waiting = deque(holds)
        self._ended: Endings = []

    @property
    def has_several(self) -> bool:
        """Whether more than one job has not started."""
        return len(self._waiting) > 1

    def next(self) -> Hold | None:
        """The job to start now; None if there is none left."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def ended(self, job: Job, ending: Ending) -> None:
        """Keeps how a job ended, for the next report."""
        with self._lock:
            self._ended.append((job, ending))

    def take(self) -> Endings:
        """Removes all that can be reported now. Jobs that have not started are given back; the running job stays."""
        with self._lock:
            endings = self._ended + [(hold.job, NOT_STARTED) for hold in self._waiting]
            self._ended = []
            self._waiting.clear()
            return endings


class SlowBatch:
    """While it is entered: if the batch takes too long, reports all but the running job from a thread of its own.

    limit_s: the time limit of its jobs; those that have waited for half of it are given back.
    problem: what `report` raised, once it is left.
    """

    def __init__(self, batch: Batch, report: Callable[[Endings], object], limit_s: float) -> None:
        self._batch = batch
        self._report = report
        self.problem: BaseException | None = None
        self._timer = threading.Timer(min(SLOW_S, limit_s / 2), self._run)
        self._timer.daemon = True

    def __enter__(self) -> SlowBatch:
        if self._batch.has_several:
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()

    def _run(self) -> None:
        try:
            self._report(self._batch.take())
        except BaseException as problem:
            log.error("%s", problem)  # at once: the running job may take long
            self.problem = problem
