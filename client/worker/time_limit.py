"""The time limit of a job: the end of its lifetime, which renewals do not extend."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

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


class _Running(NamedTuple):
    """A job whose function runs, and the end of its time limit, as of time.monotonic()."""

    job: Job
    limit_at: float


class FunctionLimit:
    """A thread that sets `job.stopped` at the time limit of the running job.

    A job of milliseconds takes no lock: it only sets an attribute, and the thread wakes in time for it anyway.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: _Running | None = None
        self._wakes_at = NEVER
        self._thread: threading.Thread | None = None

    def start(self, job: Job, limit_at: float) -> None:
        """The job starts, and is stopped at that time of time.monotonic()."""
        self._running = _Running(job, limit_at)  # before the comparison: the thread sets the time, then looks for a job
        if self._thread is None or limit_at < self._wakes_at:
            with self._changed:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="time limit", daemon=True)
                    self._thread.start()
                self._changed.notify()

    def end(self) -> None:
        """The job has ended."""
        self._running = None

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._thread = None
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while self._thread is threading.current_thread():
                self._wakes_at = NEVER
                running, now = self._running, time.monotonic()
                if running is not None and running.limit_at <= now:
                    running.job.stopped.set()
                elif running is not None:
                    self._wakes_at = running.limit_at
                self._changed.wait(None if self._wakes_at == NEVER else self._wakes_at - now)
