"""The green threads that connections are served in, one connection after another."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import eventlet
from eventlet.hubs import get_hub
from eventlet.support.greenlets import getcurrent, greenlet

from jobserver.logs import fault

KEPT = 100  # that idle: more were for a crowd that is gone
log = logging.getLogger("jobserver.wsgi")
T = TypeVar("T")


class Greenlets(Generic[T]):
    """They call serve(connection), and are used again: for a new one Python maps memory, and in the end gives it back,
    which is much beside a short request."""

    def __init__(self, serve: Callable[[T], None]) -> None:
        self._serve = serve
        self._idle: list[greenlet] = []
        self._next: T | None = None

    def begin(self, connection: T) -> None:
        """Has it served, and returns when that waits for something. Only the hub calls this."""
        self._next = connection
        own = self._idle.pop() if self._idle else greenlet(self._run, get_hub().greenlet)
        own.switch()

    def _run(self) -> None:
        while True:
            connection, self._next = self._next, None
            assert connection is not None
            try:
                self._serve(connection)
            except (Exception, eventlet.Timeout) as error:
                fault(log, "a connection ended by an error", error)
            del connection  # an idle one keeps nothing
            if len(self._idle) >= KEPT:
                return
            self._idle.append(getcurrent())
            while self._next is None:  # it may be woken for nothing: by a timer that an earlier connection left
                with suppress(Exception, eventlet.Timeout):
                    get_hub().switch()
