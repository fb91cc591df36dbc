"""Pushes snapshots of lists to open pages by Socket.IO, at most twice a second.

create_app() binds the Socket.IO server if the web server can hold connections open.
"""

import logging
import threading
import time
from collections.abc import Callable

from flask import request
from flask_socketio import SocketIO

from jobserver.core.concurrency import spawn
from jobserver.core.errors import DatabaseBusy, log_fault
from jobserver.core.lists import JobList
from jobserver.feed.live_rooms import Rooms, View
from jobserver.store.database import Database
from jobserver.store.queries import events, lists

log = logging.getLogger("jobserver.live")
EVERY_S = 0.5
HIDDEN_EVERY_S = 10.0  # for tabs in the background
REFRESH_EVERY_S = 5.0  # of a list without events, because its time left changes
MAX_PAGES = 1000  # of one process; other pages poll
MAX_PAGES_OF_ADDRESS = 200  # so that one client cannot use all of them
SOCKETIO_OPTIONS = {
    "transports": ["websocket"],  # without a WebSocket a page polls with an ETag, which occupies no thread
    "async_handlers": False,  # the messages of one page are handled in order
    "max_http_buffer_size": 10_000,  # bytes of a message from a page
    "manage_session": False,
}
PACE_S = 0.01  # between two messages of a page: reads of buffered messages never yield to the event loop

socketio = SocketIO()


class Live:
    """The open pages and their views. One background thread (or green thread) runs while pages are open. It reads from
    the table of events which lists have changed, by any server process.

    A page sends `look`: {list, hidden}. It gets `summary`: an HTML fragment, at once and after each change; in a
    hidden tab at most every 10 s. `unknown`: no list has that name.
    """

    def __init__(self, socketio: SocketIO, database: Database) -> None:
        self.render: Callable[[JobList], str] = lambda _: ""  # pages set it
        self._database = database
        self._rooms = Rooms(socketio)
        self._lock = threading.Lock()
        self._new: dict[str, View] = {}  # pages to answer in the next step, by sid
        self._connected: dict[str, str] = {}  # the address of each page, by sid
        self._running = False
        self._closed = False
        self._sent: dict[tuple[int, bool], str] = {}  # the last snapshot, by list and room
        self._hidden_due = 0.0
        self._refresh_due: dict[int, float] = {}  # by list
        self._latest_event = 0

    def connect(self, sid: str, address: str) -> bool:
        """Accepts a page; returns False if this process has too many, or too many from this address."""
        with self._lock:
            of_address = sum(other == address for other in self._connected.values())
            if self._closed or len(self._connected) >= MAX_PAGES or of_address >= MAX_PAGES_OF_ADDRESS:
                return False
            self._connected[sid] = address
            start, self._running = not self._running, True
        if start:
            spawn(self._run, "live")
        return True

    def look(self, sid: str, message: object) -> None:
        """Records the view of a page; the next step sends its first snapshot."""
        view = View.parse(message)
        with self._lock:
            if view is not None and sid in self._connected:
                self._new[sid] = view

    def leave(self, sid: str) -> None:
        """Removes a page that disconnected."""
        with self._lock:
            self._connected.pop(sid, None)
            self._new.pop(sid, None)
            self._rooms.leave(sid)

    def close(self) -> None:
        """Disconnects all pages, because the server stops."""
        with self._lock:
            self._closed = True
            connected = list(self._connected)
        for sid in connected:
            self._rooms.disconnect(sid)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._connected:
                    self._running = False
                    self._sent.clear()
                    self._refresh_due.clear()
                    return
                new, self._new = self._new, {}
                connected = list(self._connected)
            try:
                self._rooms.drop_slow(connected)
                self._step(new)
            except DatabaseBusy as error:
                with self._lock:  # try again in the next step
                    self._new = {sid: view for sid, view in new.items() if sid in self._connected} | self._new
                log.warning("open pages are updated later: %s", error)
            except Exception as error:
                log_fault(log, "updating open pages failed; the next step tries again", error)
            time.sleep(EVERY_S)

    def _step(self, new: dict[str, View]) -> None:
        hidden = time.monotonic() >= self._hidden_due
        if hidden:
            self._hidden_due = time.monotonic() + HIDDEN_EVERY_S
        changed = self._changed()
        for job_list in self._rooms.watched(hidden):
            if not (hidden or job_list.id in changed or time.monotonic() >= self._refresh_due.get(job_list.id, 0.0)):
                continue
            self._refresh_due[job_list.id] = time.monotonic() + REFRESH_EVERY_S
            snapshot = self.render(job_list)
            self._send(job_list, False, snapshot)
            if hidden:
                self._send(job_list, True, snapshot)
        for name in {view.name for view in new.values()}:
            viewers = {sid: view for sid, view in new.items() if view.name == name}
            self._welcome(viewers, lists.by_name(self._database.read, name))

    def _changed(self) -> set[int]:
        """Returns the ids of the lists with events since the last step."""
        before, self._latest_event = self._latest_event, events.latest(self._database.read)
        if self._latest_event == before:
            return set()
        # Ids restart when all events were deleted. PostgreSQL commits ids out of order: REFRESH_EVERY_S covers that.
        return events.changed_lists(self._database.read, min(before, self._latest_event - 1))

    def _welcome(self, viewers: dict[str, View], job_list: JobList | None) -> None:
        """Sends new pages of a list their first snapshot, and adds them to their room."""
        snapshot = self.render(job_list) if job_list else None
        for sid, view in viewers.items():
            self._rooms.send_to(sid, "summary" if job_list else "unknown", snapshot)
            if job_list:
                self._sent.pop((job_list.id, view.hidden), None)  # others in the room may have an older one
                with self._lock:
                    if sid in self._connected:
                        self._rooms.join(sid, job_list, view.hidden)

    def _send(self, job_list: JobList, hidden: bool, snapshot: str) -> None:
        """Sends a snapshot to a room if it differs from the last one."""
        key = (job_list.id, hidden)
        if self._sent.get(key) != snapshot:
            self._sent[key] = snapshot
            self._rooms.send(job_list, hidden, "summary", snapshot)


def register(live: Live) -> None:
    """Connects the live feed to the events of pages."""

    def look(message: object = None, *_: object) -> None:
        time.sleep(PACE_S)
        live.look(_sid(), message)

    socketio.on_event("connect", lambda *_: live.connect(_sid(), request.remote_addr or ""))
    socketio.on_event("look", look)
    socketio.on_event("*", lambda *_: time.sleep(PACE_S))
    socketio.on_event("disconnect", lambda *_: live.leave(_sid()))


def _sid() -> str:
    sid: str = request.sid  # type: ignore[attr-defined]
    return sid
