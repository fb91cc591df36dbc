"""The green threads that connections are served in, one connection after another."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import eventlet
from eventlet.hubs import get_hub
from eventlet.support.greenlets import getcurrent, greenlet

from jobserver.logs import fault

KEPT = 100  # that idle: more were for a crowd that is gone
log = logging.getLogger("jobserver.wsgi")
Serve = Callable[[Any], None]


class Greenlets:
    """What eventlet's server asks of its GreenPool; at most `most` at once. They are used again: for a new one Python
    maps memory, and in the end gives it back, which is much beside a short request."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0
        self._idle: list[greenlet] = []

    def spawn(self, serve: Serve, connection: Any) -> "Task":
        """Has serve(connection) called in one of them, soon."""
        while self._running >= self._most:
            eventlet.sleep(0.05)
        self._running += 1
        hub, task = get_hub(), Task(serve, connection)
        own = self._idle.pop() if self._idle else greenlet(self._serve, hub.greenlet)
        hub.schedule_call_global(0, own.switch, task)
        return task

    def waitall(self) -> None:
        """Returns when none is running."""
        while self._running:
            eventlet.sleep(0.01)

    def _serve(self, task: "Task") -> None:
        while True:
            try:
                task.run()
            except Exception as error:
                fault(log, "a connection ended by an error", error)
            finally:
                self._running -= 1
            if len(self._idle) >= KEPT:
                return
            self._idle.append(getcurrent())
            task = _next_task()


def _next_task() -> "Task":
    """What this one is to serve next, whoever else wakes it: a timer that an earlier connection left."""
    while True:
        with suppress(Exception, eventlet.Timeout):
            woken_by = get_hub().switch()
            if isinstance(woken_by, Task):
                return woken_by


class Task:
    """A connection to be served."""

    def __init__(self, serve: Serve, connection: Any) -> None:
        self._serve = serve
        self._connection = connection

    def link(self, clean: Callable[..., None], *values: Any) -> None:
        """Has clean(self, *values) called in the end."""
        self._clean = partial(clean, self, *values)

    def run(self) -> None:
        """Serves it, and cleans up."""
        try:
            self._serve(self._connection)
        finally:
            self._clean()
