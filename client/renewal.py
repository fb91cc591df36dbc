"""Keeps the claim of the running job alive, in a thread and on connections of its own."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from .api import JobClient
from .errors import ClientError
from .job import Job

log = logging.getLogger(__name__)

LONGEST_S = 60.0  # also without a lifetime, so that a cancel is heard


@dataclass
class Hold:
    """A job that is being worked on. state: held, lost or cancel, as last heard."""

    job: Job
    interval_s: float
    due: float  # of time.monotonic()
    state: str = "held"


class Renewal:
    """Renews at a third of the lifetime, at least every minute: two renewals may fail before the claim is gone."""

    def __init__(self, client: JobClient) -> None:
        self._client = client.another()
        self._changed = threading.Condition()
        self._hold: Hold | None = None
        self._wakes_at = float("inf")
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)
        self._thread.start()

    def hold(self, job: Job) -> Hold:
        """From now on this job is the running one."""
        interval_s = _interval_s(job.lifetime_s)
        hold = Hold(job, interval_s, time.monotonic() + interval_s)
        with self._changed:
            self._hold = hold
            # With jobs of milliseconds the thread sleeps on: it wakes in time for this one anyway.
            if hold.due < self._wakes_at:
                self._changed.notify()
        return hold

    def release(self) -> None:
        """The job has ended."""
        with self._changed:
            self._hold = None

    def close(self) -> None:
        """Ends the thread, without waiting for a request that is on its way."""
        with self._changed:
            self._closed = True
            self._hold = None
            self._changed.notify()

    def _run(self) -> None:
        while True:
            hold = self._next()
            if hold is None:
                return
            self._renew(hold)

    def _next(self) -> Hold | None:
        """Sleeps until a renewal is due; None when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                hold = self._hold
                if hold is not None and hold.state != "lost":
                    if hold.due <= now:
                        return hold
                    self._wakes_at = hold.due
                elif self._wakes_at <= now:
                    self._wakes_at = float("inf")
                self._changed.wait(None if self._wakes_at == float("inf") else max(0.0, self._wakes_at - now))
            return None

    def _renew(self, hold: Hold) -> None:
        # Tries no longer than until the next one is due: by then the running job may be another.
        self._client.retry_for_s = hold.interval_s
        try:
            [renewed] = self._client.renew([hold.job])
        except (ClientError, ValueError) as problem:
            log.warning("job %d could not be renewed, the work goes on: %s", hold.job.jobid, problem)
            hold.due = time.monotonic() + min(hold.interval_s, 1.0)
            return
        with self._changed:
            if self._hold is not hold:
                return  # it ended meanwhile: no wonder if its claim is gone
            hold.state = "cancel" if hold.state == "cancel" and renewed.state == "held" else renewed.state
            hold.interval_s = _interval_s(renewed.lifetime_s)
            hold.due = time.monotonic() + hold.interval_s
        if hold.state != "held":
            hold.job.stopped.set()


def _interval_s(lifetime_s: float | None) -> float:
    return LONGEST_S if lifetime_s is None else min(max(lifetime_s / 3, 0.05), LONGEST_S)
