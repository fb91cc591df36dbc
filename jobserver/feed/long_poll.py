"""Long polls: requests that wait for a job of this server process or of another one."""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from jobserver.core.concurrency import Event, new_event, new_lock, spawn
from jobserver.core.errors import DatabaseBusy, log_fault
from jobserver.feed.waiting_limit import WaitingLimit
from jobserver.store.database import Database
from jobserver.store.queries import lists
from jobserver.store.queries.lists import Stock

POLL_EVERY_S = 0.25  # for jobs of other server processes
CONFIRM_EVERY = 8  # polls; for jobs whose results another host must confirm: most of the woken requests get none
ANY_NEW_LIST = 0
FEW = 20  # lists that are looked up one by one
EVERYONE = 1_000_000_000
NO_STAGE = -1  # the place of hosts that are set aside: jobs do not wake them
log = logging.getLogger("jobserver.long_poll")
Place = tuple[int, int]  # list id, stage


class LongPolls:
    """The waiting requests, by list and stage, oldest first."""

    def __init__(self, database: Database, limit: WaitingLimit) -> None:
        self._database = database
        self._limit = limit
        self._lock = new_lock()
        self._places: dict[Place, deque[Event]] = defaultdict(deque)
        self._polling = False
        self.closed = False

    @contextmanager
    def place(self, list_id: int | None, stage: int) -> Iterator[Callable[[float], bool]]:
        """Adds a place to the queue for jobs of that stage. Yields `wait(timeout_s)`, which returns False at once if
        the limit of waiting requests is reached. list_id None: a list that does not exist yet.

        Take the place before the query for a job, so that no wake-up is missed between them.
        """
        key = (list_id, stage) if list_id is not None else (ANY_NEW_LIST, ANY_NEW_LIST)
        event = new_event()
        with self._lock:
            self._places[key].append(event)
            start, self._polling = not self._polling, True
        if start:
            spawn(self._poll, "long polls")
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
            stages = [stage for waiting_id, stage in self._places if waiting_id == list_id]
        for stage in stages:
            self.wake(list_id, stage, EVERYONE)

    def wake_for_new_list(self) -> None:
        """Wakes every request whose secret key was unknown."""
        self.wake(ANY_NEW_LIST, ANY_NEW_LIST, EVERYONE)

    def close(self) -> None:
        """Wakes every waiting and every later request, because the server shuts down."""
        self.closed = True
        with self._lock:
            for queue in self._places.values():
                for event in queue:
                    event.set()
            self._places.clear()

    def _wait(self, key: Place, event: Event, timeout_s: float) -> bool:
        if event.is_set():
            return True
        with self._limit.place() as granted:
            if granted:
                event.wait(timeout_s)
                return True
        with self._lock:
            self._leave(key, event)  # so that it does not consume a wake-up
            return event.is_set()

    def _leave(self, key: Place, event: Event) -> None:
        queue = self._places.get(key)
        if queue and event in queue:
            queue.remove(event)
        if queue is not None and not queue:
            del self._places[key]

    def _poll(self) -> None:
        """Polls the database for jobs of other server processes while requests wait."""
        for polls in count(1):
            time.sleep(POLL_EVERY_S)
            with self._lock:
                if self.closed or not self._places:
                    self._polling = False
                    return
                list_ids = {list_id for list_id, _stage in self._places}
            try:
                stock = self._stock(list_ids)
                if polls % CONFIRM_EVERY == 0:
                    stock += self._replicating(list_ids)
            except DatabaseBusy:
                continue
            except Exception as error:
                log_fault(log, "the query for jobs of other servers failed; the next poll repeats it", error)
                continue
            for place in stock:
                self.wake(*place)
            self.wake_for_new_list()

    def _replicating(self, list_ids: set[int]) -> list[Stock]:
        read = self._database.read
        return [Stock(one, stage, EVERYONE) for one in sorted(list_ids) for stage in lists.replicating(read, one)]

    def _stock(self, list_ids: set[int]) -> list[Stock]:
        if len(list_ids) > FEW:
            return lists.stock(self._database.read)
        return [place for list_id in list_ids for place in lists.stock(self._database.read, list_id)]
