"""The concurrency mode of this process: threads, unless `server/async_modes.py` installs another mode.

Other modules use the names of `threading`, which are green after a server program has patched them, and
`run_in_thread()` for work that would block an event loop.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
_BLOCKING_THREADS = 20  # each may hold a database connection


class Event(Protocol):
    """The part of threading.Event in use: one green thread waits until another one sets the event."""

    def wait(self, timeout: float | None = None) -> bool:
        """Returns whether the event was set within `timeout` seconds."""

    def set(self) -> None:
        """Sets the event and wakes the waiting thread."""

    def is_set(self) -> bool:
        """Returns whether the event was set."""


class AsyncMode(Protocol):
    """The operations that differ between threads and event loops."""

    name: str

    def run_in_thread(self, work: Callable[..., Any], *values: Any) -> Any:
        """Calls work(*values) in a thread that may block; returns its value or raises its exception."""

    def new_lock(self) -> AbstractContextManager[Any]:
        """Returns a lock for short sections that never wait for I/O."""

    def new_event(self) -> Event:
        """Returns an event that is set from the same event loop, never from a real thread."""

    def run_ready(self) -> None:
        """Polls the sockets and runs the green threads that are ready, then returns to the calling one."""


class Threads:
    """The mode of a process without an event loop."""

    name = "threading"

    def __init__(self) -> None:
        self._slots = threading.BoundedSemaphore(_BLOCKING_THREADS)

    def run_in_thread(self, work: Callable[..., Any], *values: Any) -> Any:
        """Calls work(*values) in the calling thread, at most _BLOCKING_THREADS at once."""
        with self._slots:
            return work(*values)

    def new_lock(self) -> AbstractContextManager[Any]:
        """Returns a threading.Lock."""
        return threading.Lock()

    def new_event(self) -> Event:
        """Returns a threading.Event."""
        return threading.Event()

    def run_ready(self) -> None:
        """Does nothing: threads do not wait for each other."""


_mode: AsyncMode = Threads()
_own_server = False


def use(mode: AsyncMode) -> None:
    """Installs the mode of a server process. Only a program calls this, before the application is created."""
    global _mode, _own_server
    _mode, _own_server = mode, True


def mode() -> str:
    """Returns the name of the mode: eventlet, gevent or threading."""
    return _mode.name


def has_event_loop() -> bool:
    """Returns whether green threads share one event loop, so that a thread must yield for others to run."""
    return not isinstance(_mode, Threads)


def is_own_server() -> bool:
    """Returns whether job_manager started this server process, so that it can hold connections open (not mod_wsgi)."""
    return _own_server


def run_in_thread(work: Callable[..., T], *values: Any) -> T:
    """Calls work(*values) without blocking the event loop; returns its value."""
    value: T = _mode.run_in_thread(work, *values)
    return value


def spawn(work: Callable[[], None], name: str) -> None:
    """Starts work() in the background as a daemon thread."""
    threading.Thread(target=work, name=name, daemon=True).start()


def new_lock() -> AbstractContextManager[Any]:
    """Returns a lock for short sections that never wait for I/O."""
    return _mode.new_lock()


def new_event() -> Event:
    """Returns an event for one waiting thread."""
    return _mode.new_event()


def run_ready() -> None:
    """Runs the green threads that are ready, each until it waits or ends. Does nothing without an event loop."""
    _mode.run_ready()
