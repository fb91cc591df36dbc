"""The async modes of a server process. Only this module and the server modules import eventlet or gevent."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

from jobserver.core import concurrency
from jobserver.core.concurrency import AsyncMode, Event, Threads


class Eventlet:
    """Green threads of eventlet."""

    name = "eventlet"

    def __init__(self) -> None:
        os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # the server resolves no host names; saves start-up time
        import eventlet
        from eventlet import patcher, tpool
        from eventlet.event import Event as GreenEvent

        eventlet.monkey_patch()
        self._green_event = GreenEvent
        self._execute: Callable[..., Any] = tpool.execute
        self._real_lock: Callable[[], AbstractContextManager[Any]] = patcher.original("threading").Lock

    def run_in_thread(self, work: Callable[..., Any], *values: Any) -> Any:
        """Calls work(*values) in eventlet's pool of real threads."""
        return self._execute(work, *values)

    def new_lock(self) -> AbstractContextManager[Any]:
        """Returns a real lock: green threads do not switch inside a short section, and a green lock costs far more."""
        return self._real_lock()

    def new_event(self) -> Event:
        """Returns an event. A green threading.Event consists of several green locks and costs half a claim."""
        return _EventletEvent(self._green_event())


class _EventletEvent:
    """Gives eventlet's Event the names of threading.Event."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def wait(self, timeout: float | None = None) -> bool:
        self._event.wait(timeout)
        return self.is_set()

    def set(self) -> None:
        if not self._event.ready():
            self._event.send()

    def is_set(self) -> bool:
        ready: bool = self._event.ready()
        return ready


class Gevent:
    """Green threads of gevent."""

    name = "gevent"

    def __init__(self) -> None:
        from gevent import get_hub, monkey

        monkey.patch_all()
        import_module("simple_websocket")  # fail now, not at the first connection
        sys.modules["geventwebsocket"] = None  # type: ignore[assignment]  # engineio would prefer this unmaintained library
        self._get_hub = get_hub

    def run_in_thread(self, work: Callable[..., Any], *values: Any) -> Any:
        """Calls work(*values) in gevent's pool of real threads."""
        return self._get_hub().threadpool.apply(work, values)

    def new_lock(self) -> AbstractContextManager[Any]:
        """Returns a green lock."""
        return threading.Lock()

    def new_event(self) -> Event:
        """Returns a green event."""
        return threading.Event()


_MODES: dict[str, Callable[[], AsyncMode]] = {"eventlet": Eventlet, "gevent": Gevent, "threading": Threads}


def patch(name: str) -> None:
    """Makes the standard library cooperative in that mode. A program calls this before it imports anything else.

    ImportError if the mode's library is not installed.
    """
    concurrency.use(_MODES[name]())
