"""Waiting heartbeats: requests that wait until one of their claims has ended or must end."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jobserver.core import concurrency
from jobserver.core.concurrency import new_event, new_lock, spawn
from jobserver.core.errors import DatabaseBusy, log_fault
from jobserver.core.states import CLAIM_ENDS, Event
from jobserver.feed.waiting_limit import WaitingLimit
from jobserver.store.database import Database
from jobserver.store.queries import claiming

POLL_EVERY_S = 0.5  # for changes by other server processes: a cancel arrives within a second
TOGETHER = 500  # jobs in one query, so that the event loop is not blocked for long
log = logging.getLogger("jobserver.heartbeat_waits")
Held = Sequence[tuple[int, str]]  # jobid, token


class _Wait:
    """One waiting request."""

    def __init__(self, list_id: int, held: Held) -> None:
        self.list_id = list_id
        self.held = held
        self.event: concurrency.Event = new_event()


class HeartbeatWaits:
    """`by_list`: the waiting requests, by list and job; a list without any has no entry."""

    def __init__(self, database: Database, limit: WaitingLimit) -> None:
        self._database = database
        self._limit = limit
        self._lock = new_lock()
        self.by_list: dict[int, dict[int, set[_Wait]]] = {}
        self._polling = False
        self._closed = False

    @contextmanager
    def place(self, list_id: int, held: Held) -> Iterator[Callable[[float], bool]]:
        """Registers a request. Yields `wait(timeout_s)`, which returns True as soon as one of the claims may have ended
        or must end; False after the timeout, at a shutdown, and at once if too many requests wait.

        Register before the claims are renewed, so that no change is missed between the two.
        """
        wait = _Wait(list_id, held)
        with self._lock:
            jobs = self.by_list.setdefault(list_id, defaultdict(set))
            for jobid, _token in held:
                jobs[jobid].add(wait)
        try:
            yield lambda timeout_s: self._wait(wait, timeout_s)
        finally:
            with self._lock:
                self._leave(wait)

    def wake(self, event: Event) -> None:
        """Wakes the requests for the jobs of an event that ends claims, or that requests their end."""
        if event.kind not in CLAIM_ENDS:
            return
        with self._lock:
            jobs = self.by_list.get(event.list_id, {})
            for jobid in jobs.keys() & set(event.jobids):
                for wait in jobs[jobid]:
                    wait.event.set()

    def close(self) -> None:
        """Wakes every waiting and every later request, because the server shuts down."""
        with self._lock:
            self._closed = True
            for wait in self._all():
                wait.event.set()

    def _wait(self, wait: _Wait, timeout_s: float) -> bool:
        with self._limit.place() as granted:
            if not granted or self._closed:
                return False
            with self._lock:
                start, self._polling = not self._polling, True
            if start:
                spawn(self._poll, "heartbeat waits")
            return wait.event.wait(timeout_s) and not self._closed

    def _all(self) -> set[_Wait]:
        return {wait for jobs in self.by_list.values() for waits in jobs.values() for wait in waits}

    def _leave(self, wait: _Wait) -> None:
        jobs = self.by_list[wait.list_id]
        for jobid in {jobid for jobid, _token in wait.held}:
            jobs[jobid].discard(wait)
            if not jobs[jobid]:
                del jobs[jobid]
        if not jobs:
            del self.by_list[wait.list_id]

    def _poll(self) -> None:
        """Polls the database for changes by other server processes while requests wait."""
        while True:
            time.sleep(POLL_EVERY_S)
            with self._lock:
                if self._closed or not self.by_list:
                    self._polling = False
                    return
                waits = self._all()
            try:
                self._wake_changed(waits)
            except DatabaseBusy:
                continue
            except Exception as error:
                log_fault(log, "the query for ended claims failed; the next poll repeats it", error)

    def _wake_changed(self, waits: set[_Wait]) -> None:
        by_list: dict[int, list[_Wait]] = defaultdict(list)
        for wait in waits:
            by_list[wait.list_id].append(wait)
        for list_id, several in by_list.items():
            jobids = sorted({jobid for wait in several for jobid, _token in wait.held})
            tokens: dict[int, str] = {}
            for start in range(0, len(jobids), TOGETHER):
                tokens |= claiming.held_tokens(self._database.read, list_id, jobids[start : start + TOGETHER])
                time.sleep(0)
            for wait in several:
                if any(tokens.get(jobid) != token for jobid, token in wait.held):
                    wait.event.set()
