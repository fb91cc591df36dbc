"""The open pages, by what they look at; and the bound on what waits for one of them."""

import socket
import struct
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask_socketio import SocketIO

from jobserver.core.lists import JobList
from jobserver.feed.connections import connection

PAGES = "list {}"
PACE_S = 0.01  # between two words of a page
MOST_WAITING = 20  # messages for one page; then it is cut off, and comes back if it can
MAX_NAME = 100
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


@dataclass(frozen=True)
class Looking:
    """What a page looks at: a list's public name, and whether its tab is behind others."""

    name: str
    behind: bool

    @classmethod
    def read(cls, said: object) -> "Looking | None":
        """What a page said; None where it makes no sense."""
        if not isinstance(said, dict) or not isinstance(said.get("list"), str) or len(said["list"]) > MAX_NAME:
            return None
        return cls(said["list"], said.get("behind") is True)


class Rooms:
    """Socket.IO's rooms: one a list, and one for its pages behind other tabs."""

    def __init__(self, socketio: SocketIO) -> None:
        self._socketio = socketio
        self._pages: dict[str, tuple[JobList, bool]] = {}

    def join(self, sid: str, job_list: JobList, behind: bool) -> None:
        """Moves the page to that room."""
        self._leave_room(sid)
        self._pages[sid] = (job_list, behind)
        with suppress(ValueError, KeyError):  # it has gone meanwhile
            self._server.enter_room(sid, _room(job_list, behind), namespace="/")

    def leave(self, sid: str) -> None:
        """Forgets the page, which has gone; Socket.IO empties its rooms by itself."""
        self._pages.pop(sid, None)

    def watched(self, behind: bool) -> set[JobList]:
        """The lists that somebody looks at; `behind`: from tabs behind others too."""
        return {job_list for job_list, is_behind in list(self._pages.values()) if behind or not is_behind}

    def tell(self, to: str, event: str, what: object) -> None:
        """Sends to a room, or a page."""
        self._server.emit(event, what, to=to, namespace="/")

    def cut_slow(self, pages: Iterable[str]) -> None:
        """Cuts off who doesn't read: what is sent to it waits here, in memory."""
        for sid in pages:
            engine = self._engine(sid)
            if engine is not None and engine.queue.qsize() > MOST_WAITING:
                self._cut(sid, engine)

    def send_away(self, sid: str) -> None:
        """Ends a page's connection; it will try to come back."""
        engine = self._engine(sid)
        if engine is not None:
            with suppress(OSError):
                engine.close(wait=False)

    @property
    def _server(self) -> Any:
        return self._socketio.server

    def _engine(self, sid: str) -> Any:
        """The page's queue and connection, as python-engineio has them."""
        return self._server.eio.sockets.get(self._server.manager.eio_sid_from_sid(sid, "/"))

    def _cut(self, sid: str, engine: Any) -> None:
        self._leave_room(sid)
        self._pages.pop(sid, None)
        found = connection(self._server.get_environ(sid, namespace="/") or {})
        engine.close(wait=False, abort=True)
        if found is not None:
            with suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)  # what waits in the kernel goes too
                found.shutdown(socket.SHUT_RDWR)  # a writer that waits for it wakes, and ends

    def _leave_room(self, sid: str) -> None:
        was = self._pages.get(sid)
        if was is not None:
            with suppress(ValueError, KeyError):
                self._server.leave_room(sid, _room(*was), namespace="/")


class _Paced:
    """A WebSocket that is read no faster than a person needs: one that never stops speaking would else keep an event
    loop to itself, for reading what is there already doesn't wait."""

    def __init__(self, plain: Any, engine: Any) -> None:
        self._plain = plain
        self._engine = engine

    def wait(self) -> Any:
        """Returns the next message; None after the connection was cut, even if the library has read more."""
        time.sleep(PACE_S)
        return None if self._engine.closed else self._plain.wait()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


def pace(socketio: SocketIO) -> None:
    """Has every page's words read at that pace."""
    engine = socketio.server.eio
    plain = engine._async["websocket"]

    def paced(handler: Any, server: Any) -> Any:
        return plain(lambda one: handler(_Paced(one, handler.__self__)), server)

    engine._async = {**engine._async, "websocket": paced}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What makes `new` of `old`, as a JSON merge patch: only what changed; None: take it away."""
    changed: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        was = old.get(name)
        if isinstance(value, Mapping) and isinstance(was, Mapping):
            if inner := difference(was, value):
                changed[name] = inner
        elif name not in old or was != value:
            changed[name] = value
    return changed


def _room(job_list: JobList, behind: bool) -> str:
    return PAGES.format(job_list.id) + (" behind" if behind else "")
