"""The time limit of a job: the end of its lifetime, which renewals do not extend."""

from __future__ import annotations

import threading
import time

from ..api.types import Job

NEVER = float("inf")


def describe(job: Job) -> str:
    """The error message of an attempt that reached its limit."""
    return f"time limit of {_duration(job.time_limit_s or 0.0)} reached"


def _duration(seconds: float) -> str:
    """With three digits at most: the server's clock is known to a fraction of a second."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"


class FunctionLimit:
    """A thread that sets `job.stopped` at the time limit of the running job."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._job: Job | None = None
        self._at = NEVER  # of time.monotonic()
        self._wakes_at = NEVER
        self._reached = False
        self._thread: threading.Thread | None = None

    def start(self, job: Job, at: float) -> None:
        """The job starts, and is stopped at that time of time.monotonic()."""
        with self._changed:
            self._job, self._at, self._reached = job, at, False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="time limit", daemon=True)
                self._thread.start()
            elif at < self._wakes_at:  # with jobs of milliseconds the thread is not woken: it wakes in time for these
                self._changed.notify()

    def end(self) -> bool:
        """The job has ended. True if the limit was reached before."""
        with self._changed:
            self._job, self._at = None, NEVER
            return self._reached

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._thread = None
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while self._thread is threading.current_thread():
                if self._job is not None and self._at <= time.monotonic():
                    self._reached = True
                    self._job.stopped.set()
                    self._job, self._at = None, NEVER
                self._wakes_at = self._at
                left_s = self._at - time.monotonic()
                self._changed.wait(None if self._at == NEVER else max(0.0, left_s))
