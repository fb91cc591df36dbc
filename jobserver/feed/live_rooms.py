"""The open pages by list, as Socket.IO's rooms; and the limit of queued messages for each page."""

import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask_socketio import SocketIO

from jobserver.core.lists import JobList
from jobserver.feed.connections import connection

MAX_QUEUED = 20  # messages for one page; then it is disconnected, and may reconnect
MAX_NAME = 100
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


@dataclass(frozen=True)
class View:
    """The view of a page: the name of its list; `hidden`: the tab is in the background."""

    name: str
    hidden: bool

    @classmethod
    def parse(cls, message: object) -> "View | None":
        """Parses the message `look` of a page; None if it is malformed."""
        if not isinstance(message, dict) or not isinstance(message.get("list"), str):
            return None
        if len(message["list"]) > MAX_NAME:
            return None
        return cls(message["list"], message.get("hidden") is True)


class Rooms:
    """One room for each list, and one for its pages in hidden tabs."""

    def __init__(self, socketio: SocketIO) -> None:
        self._socketio = socketio
        self._pages: dict[str, tuple[JobList, bool]] = {}

    def join(self, sid: str, job_list: JobList, hidden: bool) -> None:
        """Moves a page into a room."""
        self._leave_room(sid)
        self._pages[sid] = (job_list, hidden)
        with suppress(ValueError, KeyError):  # the page has disconnected
            self._server.enter_room(sid, _room(job_list, hidden), namespace="/")

    def leave(self, sid: str) -> None:
        """Removes a page that disconnected; Socket.IO updates its rooms itself."""
        self._pages.pop(sid, None)

    def watched(self, hidden: bool) -> set[JobList]:
        """Returns the lists with a visible page; with `hidden`, also those with pages in hidden tabs only."""
        return {job_list for job_list, is_hidden in list(self._pages.values()) if hidden or not is_hidden}

    def send(self, job_list: JobList, hidden: bool, event: str, data: object) -> None:
        """Sends an event to all pages of a room."""
        self.send_to(_room(job_list, hidden), event, data)

    def send_to(self, sid: str, event: str, data: object) -> None:
        """Sends an event to one page."""
        self._server.emit(event, data, to=sid, namespace="/")

    def drop_slow(self, sids: Iterable[str]) -> None:
        """Disconnects pages that do not read: their messages would fill the memory of this process."""
        for sid in sids:
            engine = self._engine(sid)
            if engine is not None and engine.queue.qsize() > MAX_QUEUED:
                self._abort(sid, engine)

    def disconnect(self, sid: str) -> None:
        """Closes a page's connection; the page will try to reconnect."""
        engine = self._engine(sid)
        if engine is not None:
            with suppress(OSError):
                engine.close(wait=False)

    @property
    def _server(self) -> Any:
        return self._socketio.server

    def _engine(self, sid: str) -> Any:
        """Returns the page's queue and connection in python-engineio."""
        return self._server.eio.sockets.get(self._server.manager.eio_sid_from_sid(sid, "/"))

    def _abort(self, sid: str, engine: Any) -> None:
        self._leave_room(sid)
        self._pages.pop(sid, None)
        exposed = connection(self._server.get_environ(sid, namespace="/") or {})
        engine.close(wait=False, abort=True)
        if exposed is not None:
            with suppress(OSError):
                exposed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)  # also drop the buffer of the kernel
                exposed.shutdown(socket.SHUT_RDWR)  # wakes and ends a blocked writer

    def _leave_room(self, sid: str) -> None:
        before = self._pages.get(sid)
        if before is not None:
            with suppress(ValueError, KeyError):
                self._server.leave_room(sid, _room(*before), namespace="/")


def _room(job_list: JobList, hidden: bool) -> str:
    return f"list {job_list.id}" + (" hidden" if hidden else "")
