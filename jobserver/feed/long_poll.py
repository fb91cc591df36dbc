"""Long polls: requests that wait for a job, woken when one comes, by this server process or another."""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobserver.core.concurrency import Event, new_event, new_lock, spawn
from jobserver.core.errors import DatabaseBusy
from jobserver.core.logs import log_fault
from jobserver.store.database import Database
from jobserver.store.queries import lists
from jobserver.store.queries.lists import Stock

LOOK_EVERY_S = 0.25  # for jobs that another process made available
ANY_NEW_LIST = 0
FEW = 20  # lists are looked up one by one
EVERYONE = 1_000_000_000
log = logging.getLogger("jobserver.long_poll")
Place = tuple[int, int]  # list id, stage


class LongPolls:
    """The waiting requests, by list and stage, the longest waiting first. `bound`: how many may wait at once; None: any
    number."""

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
        """A place in the queue for jobs of that stage. Yields `wait(timeout_s)`; it returns False at once if no more
        requests may wait. list_id None: a list that does not exist yet.

        Take the place before looking for a job, so that none can come unnoticed in between.
        """
        key = (list_id, stage) if list_id is not None else (ANY_NEW_LIST, ANY_NEW_LIST)
        event = new_event()
        with self._lock:
            self._places[key].append(event)
            start, self._looking = not self._looking, True
        if start:
            spawn(self._look, "long polls")
        if self.closed:
            event.set()
        try:
            yield lambda timeout_s: self._wait(key, event, timeout_s)
        finally:
            with self._lock:
                self._leave(key, event)

    def wake(self, list_id: int, stage: int, jobs: int) -> None:
        """Wakes as many requests as there are new jobs."""
        with self._lock:
            queue = self._places.get((list_id, stage))
            while queue and jobs > 0:
                queue.popleft().set()
                jobs -= 1

    def wake_list(self, list_id: int) -> None:
        """Wakes every request that waits for a job of that list."""
        with self._lock:
            stages = [stage for waited, stage in self._places if waited == list_id]
        for stage in stages:
            self.wake(list_id, stage, EVERYONE)

    def wake_for_new_list(self) -> None:
        """Wakes every request whose secret key was unknown."""
        self.wake(ANY_NEW_LIST, ANY_NEW_LIST, EVERYONE)

    def close(self) -> None:
        """Wakes every request, now and from now on: the server ends."""
        self.closed = True
        with self._lock:
            for queue in self._places.values():
                for event in queue:
                    event.set()
            self._places.clear()

    def _wait(self, key: Place, event: Event, timeout_s: float) -> bool:
        with self._lock:
            if event.is_set():
                return True
            if self._bound is not None and self._sleeping >= self._bound:
                self._leave(key, event)  # so that no wake-up is spent on it
                return False
            self._sleeping += 1
        try:
            event.wait(timeout_s)
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
        """Looks for jobs that other processes made available, as long as a request waits."""
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
                log_fault(log, "the look for jobs of other servers failed; it will be repeated", error)
                continue
            for place in stock:
                self.wake(*place)
            self.wake_for_new_list()

    def _stock(self, waited: set[int]) -> list[Stock]:
        if len(waited) > FEW:
            return lists.stock(self._database.read)
        return [place for list_id in waited for place in lists.stock(self._database.read, list_id)]
