"""Requests that wait for a job: woken when one comes, by this server process or another."""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobserver.core.concurrency import Event, new_event, new_lock, spawn
from jobserver.core.errors import DatabaseBusy
from jobserver.core.logs import log_fault
from jobserver.store.connection import Row
from jobserver.store.database import Database

LOOK_EVERY_S = 0.25  # for jobs that another process made available
ANY_NEW_LIST = 0
FEW = 20  # lists are asked about one by one
EVERYONE = 1_000_000_000
log = logging.getLogger("jobserver.long_polls")
Place = tuple[int, int]  # list id, stage

_STOCK = """SELECT list_id, stage, jobs FROM stage_count JOIN job_list ON job_list.id = list_id
    WHERE jobs > 0 AND stage % 2 = 0 AND paused = 0"""


class LongPolls:
    """Who waits, by list and stage, the longest waiting first. `bound`: how many may at once; None: any number."""

    def __init__(self, database: Database, bound: int | None = None) -> None:
        self._database = database
        self._bound = bound
        self._lock = new_lock()
        self._places: dict[Place, deque[Event]] = defaultdict(deque)
        self._sleeping = 0
        self._looking = False
        self.closed = False

    @contextmanager
    def place(self, list_id: int | None, stage: int) -> Iterator[Callable[[float], bool]]:
        """A place in the queue for jobs of that stage. What it gives waits there until one came, so many seconds at
        most; or says at once, by False, that no more may wait. list_id None: of a list that doesn't exist yet.

        Taken before looking for a job, so that none can come unnoticed in between.
        """
        key = (list_id, stage) if list_id is not None else (ANY_NEW_LIST, ANY_NEW_LIST)
        event = new_event()
        with self._lock:
            self._places[key].append(event)
            start, self._looking = not self._looking, True
        if start:
            spawn(self._look, "waiting")
        if self.closed:
            event.set()
        try:
            yield lambda seconds: self._wait(key, event, seconds)
        finally:
            with self._lock:
                self._leave(key, event)

    def wake(self, list_id: int, stage: int, jobs: int) -> None:
        """Wakes as many as there are new jobs."""
        with self._lock:
            queue = self._places.get((list_id, stage))
            while queue and jobs > 0:
                queue.popleft().set()
                jobs -= 1

    def wake_list(self, list_id: int) -> None:
        """Wakes everyone who waits for a job of that list."""
        with self._lock:
            stages = [stage for waited, stage in self._places if waited == list_id]
        for stage in stages:
            self.wake(list_id, stage, EVERYONE)

    def wake_for_new_list(self) -> None:
        """Wakes everyone who asked with a secret that was unknown."""
        self.wake(ANY_NEW_LIST, ANY_NEW_LIST, EVERYONE)

    def close(self) -> None:
        """Wakes everyone, now and from now on: the server ends."""
        self.closed = True
        with self._lock:
            for queue in self._places.values():
                for event in queue:
                    event.set()
            self._places.clear()

    def _wait(self, key: Place, event: Event, seconds: float) -> bool:
        with self._lock:
            if event.is_set():
                return True
            if self._bound is not None and self._sleeping >= self._bound:
                self._leave(key, event)  # so that nobody wakes it in the place of one who waits
                return False
            self._sleeping += 1
        try:
            event.wait(seconds)
        finally:
            with self._lock:
                self._sleeping -= 1
        return True

    def _leave(self, key: Place, event: Event) -> None:
        queue = self._places.get(key)
        if queue and event in queue:
            queue.remove(event)
        if queue is not None and not queue:
            del self._places[key]

    def _look(self) -> None:
        """Looks for jobs that other processes made available, as long as somebody waits."""
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                if self.closed or not self._places:
                    self._looking = False
                    return
                waited = {list_id for list_id, _stage in self._places}
            try:
                stock = self._stock(waited)
            except DatabaseBusy:
                continue
            except Exception as error:
                log_fault(log, "looking for other servers' jobs failed; it goes on", error)
                continue
            for list_id, stage, jobs in stock:
                self.wake(list_id, stage, jobs)
            self.wake_for_new_list()

    def _stock(self, waited: set[int]) -> list[Row]:
        if len(waited) > FEW:
            return self._database.read(_STOCK)
        return [row for list_id in waited for row in self._database.read(f"{_STOCK} AND list_id = :list", list=list_id)]
