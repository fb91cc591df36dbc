"""How the server does many things at once: eventlet, gevent or threads. Only this file and the web servers' know which.

Everything else uses `threading`'s own names, which are green when a program has called patch(), and
real_thread() for what would make the event loop wait.
"""

import _socket
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

SOCKET = "jobserver.socket"  # where a request's environment keeps its connection
_mode = ""
_slots = threading.BoundedSemaphore(20)  # as many as eventlet has: each may hold a connection to the database


def patch(mode: str, looks_up: bool = False) -> None:
    """Makes the standard library cooperative. Only a program calls this, before anything else is imported. looks_up: it
    will look up names of hosts, for which the event loop must not wait."""
    global _mode
    if mode == "eventlet":
        if not looks_up:
            os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # it takes a fifth of the start
        import eventlet

        eventlet.monkey_patch()
    elif mode == "gevent":
        from gevent import monkey

        monkey.patch_all()
        import_module("geventwebsocket")  # serve() needs it: better now than never
    _mode = mode


def mode() -> str:
    """What this process runs on: what patch() was told, else threading."""
    return _mode or "threading"


def serves() -> bool:
    """Whether this process is a server of ours, whose connections may stay open: a program called patch()."""
    return bool(_mode)


def real_thread(work: Callable[..., T], *values: Any) -> T:
    """Calls work(*values) where it may wait without the event loop waiting; returns what it returned, or raises."""
    result: T
    if _mode == "eventlet":
        from eventlet import tpool

        result = tpool.execute(work, *values)
    elif _mode == "gevent":
        import gevent

        result = gevent.get_hub().threadpool.apply(work, values)
    else:
        with _slots:
            result = work(*values)
    return result


def spawn(work: Callable[[], None], name: str) -> None:
    """Starts work() beside everything else; it ends with the process."""
    threading.Thread(target=work, name=name, daemon=True).start()


def let_others() -> None:
    """Lets an event loop do first whatever it can do now: go through what it has seen to come, and then look once more.
    Threads don't wait for each other."""
    if _mode in ("eventlet", "gevent"):
        time.sleep(0)
        time.sleep(0)


def lock() -> AbstractContextManager[Any]:
    """A lock for a few steps that wait for nothing. Green threads don't come in between: they need no green one, which
    costs much more."""
    if _mode == "eventlet":
        from eventlet import patcher

        made: AbstractContextManager[Any] = patcher.original("threading").Lock()
        return made
    return threading.Lock()


class Gate(Protocol):
    """What threading.Event has of it: one waits until another sets it. Never set by a real thread."""

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it was set within so many seconds."""

    def set(self) -> None:
        """Lets those through who wait, and who come."""

    def is_set(self) -> bool:
        """Whether it was set."""


def gate() -> Gate:
    """A gate. threading's own is made of so many green locks that it costs half as much as a claim."""
    return _GreenGate() if _mode == "eventlet" else threading.Event()


class _GreenGate:
    """A Gate under eventlet, at which one waits at a time."""

    def __init__(self) -> None:
        self._set = False
        self._hub: Any = None
        self._waiter: Any = None

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            from eventlet.hubs import get_hub
            from eventlet.support.greenlets import getcurrent

            self._hub, self._waiter = get_hub(), getcurrent()
            timer = None if timeout is None else self._hub.schedule_call_global(timeout, self._go_on)
            try:
                self._hub.switch()
            finally:
                self._waiter = None
                if timer:
                    timer.cancel()
        return self._set

    def set(self) -> None:
        self._set = True
        if self._waiter:
            self._hub.schedule_call_global(0, self._go_on)

    def is_set(self) -> bool:
        return self._set

    def _go_on(self) -> None:
        if self._waiter:  # else it has gone on
            self._waiter.switch()


def connection(environ: Mapping[str, Any]) -> Any:
    """The request's socket, if this server lets it be seen."""
    return environ.get("werkzeug.socket") or environ.get(SOCKET)


def client_gone(environ: Mapping[str, Any]) -> bool:
    """Whether the other end has closed the request's connection, as far as this server lets that be seen."""
    found = connection(environ)
    if found is None:
        return False
    try:
        copy = _socket.socket(fileno=os.dup(found.fileno()))  # not the patched one, which would wait
    except OSError:
        return True
    try:
        return copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        copy.close()
