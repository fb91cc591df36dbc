"""The async modes of a server process: patches the standard library, and starts the web server of the mode.

Only this module and the modules in SERVERS import eventlet or gevent.
"""

import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from typing import Any

from jobserver.core import concurrency
from jobserver.core.concurrency import AsyncMode, Event, Threads

SERVERS = {
    "eventlet": "jobserver.server.eventlet_server",
    "gevent": "jobserver.server.gevent_server",
    "threading": "jobserver.server.threads_server",
}
KEEPALIVE_S = 60
SWITCH_INTERVAL_S = 0.0005  # wait of the event loop for the interpreter lock of a busy thread; default 0.005
GARBAGE_THRESHOLD = 20_000  # new objects before a collection; the default of 700 costs 4 % of the requests
M_ARENA_MAX = -8  # malloc.h


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

    def run_ready(self) -> None:
        """Runs the ready green threads."""
        time.sleep(0)
        time.sleep(0)  # the hub may have polled before the first pause; it polls again before the second one ends


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
        self._real_lock: Callable[[], AbstractContextManager[Any]] = monkey.get_original("threading", "Lock")
        import_module("simple_websocket")  # fail now, not at the first connection
        sys.modules["geventwebsocket"] = None  # type: ignore[assignment]  # engineio would prefer this unmaintained library
        self._get_hub = get_hub

    def run_in_thread(self, work: Callable[..., Any], *values: Any) -> Any:
        """Calls work(*values) in gevent's pool of real threads."""
        return self._get_hub().threadpool.apply(work, values)

    def new_lock(self) -> AbstractContextManager[Any]:
        """Returns a real lock, for the same reasons as under eventlet."""
        return self._real_lock()

    def new_event(self) -> Event:
        """Returns a green event."""
        return threading.Event()

    def run_ready(self) -> None:
        """Runs the ready green threads. gevent's sleep(0) would return before the hub polls; a timer does not."""
        hub = self._get_hub()
        for _ in range(2):  # the first timer ends before the sockets of the same poll are handled
            with hub.loop.timer(0) as timer:
                hub.wait(timer)


_MODES: dict[str, Callable[[], AsyncMode]] = {"eventlet": Eventlet, "gevent": Gevent, "threading": Threads}


def patch(name: str) -> None:
    """Makes the standard library cooperative in that mode. A program calls this before it imports anything else.

    ImportError if the mode's library is not installed.
    """
    concurrency.use(_MODES[name]())


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening TCP socket; OSError if the address cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it; responses are small
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # detects crashed nodes
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, option):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), KEEPALIVE_S)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def serve(app: Callable[..., Any], listener: socket.socket, drain: Callable[[], None], drain_s: float) -> None:
    """Serves until a signal that catch_signals() caught.

    Then calls drain(), and returns when the running requests have ended, or after drain_s. A second signal ends the
    process at once.
    """
    server = import_module(SERVERS[concurrency.mode()])
    _raise_file_limit()
    _limit_malloc_arenas()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()  # existing objects are permanent
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.enable()
    server.serve(app, listener, drain, drain_s)


def _raise_file_limit() -> None:
    """Raises the limit of open files to the hard limit: each worker's connection is one file."""
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _limit_malloc_arenas() -> None:
    """Makes threads share freed memory; otherwise each thread of a pool keeps its peak memory."""
    import ctypes

    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
