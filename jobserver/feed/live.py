"""Tells open pages what changed: a list's numbers, as differences, at most twice a second."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from flask_socketio import SocketIO

from jobserver.core.concurrency import spawn
from jobserver.core.errors import DatabaseBusy
from jobserver.core.lists import JobList
from jobserver.core.logs import log_fault
from jobserver.feed.live_rooms import PAGES, Looking, Rooms, difference
from jobserver.store.database import Database
from jobserver.store.queries import lists, reports

log = logging.getLogger("jobserver.live")
EVERY_S = 0.5
BEHIND_EVERY_S = 10.0  # for tabs that nobody sees
MOST_PAGES = 1000  # that one process tells; the others poll

Numbers = dict[str, Any]


class Live:
    """Who looks, and what they were told. One thread, or green one, while somebody looks; it learns from the database,
    so it doesn't matter which process changed it.

    A page says `look`: {list, behind}. It is told `whole` (all numbers), then `change` (a JSON merge patch, RFC 7386);
    behind other tabs, `whole` every 10 s if something changed. `unknown`: there is no list of that name.
    """

    def __init__(self, socketio: SocketIO, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._socketio = socketio
        self._rooms = Rooms(socketio)
        self._lock = threading.Lock()
        self._new: dict[str, Looking] = {}  # pages that said what they look at, by sid
        self._connected: set[str] = set()
        self._telling = False
        self._closed = False
        self._told: dict[int, Numbers] = {}  # what the rooms in front were told, by list
        self._told_behind: dict[int, Numbers] = {}
        self._behind_due = 0.0

    def connect(self, sid: str) -> bool:
        """Whether that page may stay."""
        with self._lock:
            if self._closed or len(self._connected) >= MOST_PAGES:
                return False
            self._connected.add(sid)
            start, self._telling = not self._telling, True
        if start:
            spawn(self._run, "live")
        return True

    def look(self, sid: str, said: object) -> None:
        """Notes what the page looks at; it is told with the next look at the database."""
        wanted = Looking.read(said)
        with self._lock:
            if wanted is not None and sid in self._connected:
                self._new[sid] = wanted

    def leave(self, sid: str) -> None:
        """Forgets the page."""
        with self._lock:
            self._connected.discard(sid)
            self._new.pop(sid, None)
            self._rooms.leave(sid)

    def close(self) -> None:
        """Sends everybody away: the server ends."""
        with self._lock:
            self._closed = True
            connected = list(self._connected)
        for sid in connected:
            self._rooms.send_away(sid)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._connected:
                    self._telling = False
                    self._told.clear()
                    self._told_behind.clear()
                    return
                new, self._new = self._new, {}
                connected = list(self._connected)
            try:
                self._rooms.cut_slow(connected)
                self._tell(new)
            except DatabaseBusy as error:
                with self._lock:  # they are told later
                    self._new = {sid: one for sid, one in new.items() if sid in self._connected} | self._new
                log.warning("pages are told later: %s", error)
            except Exception as error:
                log_fault(log, "telling the pages failed; it goes on", error)
            time.sleep(EVERY_S)

    def _tell(self, new: dict[str, Looking]) -> None:
        names = {one.name for one in new.values()}
        known = {name: found for name in names if (found := lists.by_name(self._database.read, name))}
        behind = time.monotonic() >= self._behind_due
        if behind:
            self._behind_due = time.monotonic() + BEHIND_EVERY_S
        joining = {known[one.name] for one in new.values() if one.name in known}
        numbers: dict[int, Numbers] = {}
        for job_list in self._rooms.watched(behind) | joining:
            numbers[job_list.id] = reports.overview(self._database, job_list, self._now_ms()).as_answer()
            self._tell_rooms(job_list, numbers[job_list.id], behind)
        for sid, one in new.items():
            found = known.get(one.name)
            if found is None:
                self._rooms.tell(sid, "unknown", None)
            else:  # told before it joins: so it misses no change, and is told none that it has
                self._rooms.tell(sid, "whole", numbers[found.id])
                with self._lock:
                    if sid in self._connected:
                        self._rooms.join(sid, found, one.behind)

    def _tell_rooms(self, job_list: JobList, now: Numbers, behind: bool) -> None:
        changed = difference(self._told.get(job_list.id, {}), now)
        if changed:
            self._told[job_list.id] = now
            self._rooms.tell(PAGES.format(job_list.id), "change", changed)
        if behind and self._told_behind.get(job_list.id) != now:
            self._told_behind[job_list.id] = now
            self._rooms.tell(PAGES.format(job_list.id) + " behind", "whole", now)
