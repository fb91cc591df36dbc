"""eventlet's web server, with what it lacks."""

import errno
import logging
import socket
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import eventlet
import eventlet.wsgi

from jobserver.greenlets import Greenlets
from jobserver.quick import QuickProtocol

PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.ECONNRESET, errno.EINTR}
log = logging.getLogger("jobserver")


class EventletServer:
    """It serves from the start. `short`: see QuickProtocol."""

    def __init__(self, app: Callable[..., Any], listener: socket.socket, short: Collection[str]) -> None:
        self._running = eventlet.spawn(
            eventlet.wsgi.server, _Listener(listener), app, custom_pool=Greenlets(10_000),
            log=logging.getLogger("jobserver.wsgi"), log_output=False, debug=False, keepalive=True,
            protocol=partial(QuickProtocol, frozenset(name.encode() for name in short)),
        )  # fmt: skip
        eventlet.sleep(0)  # it begins: what is killed before would not know how to end

    @property
    def dead(self) -> bool:
        """Whether it has ended by itself."""
        return bool(self._running.dead)

    def wait(self) -> None:
        """Returns when it has ended; raises what it died of."""
        self._running.wait()

    def stop(self, within_s: float) -> None:
        """Closes idle connections, and waits for the running requests, but not for longer."""
        self._running.kill(KeyboardInterrupt)
        with eventlet.Timeout(within_s, False):
            self._running.wait()


class _Listener:
    """The listener, which goes on when a connection can't be accepted; eventlet's server would end."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    def accept(self) -> Any:
        """The next connection, and who made it."""
        while True:
            try:
                return self._listener.accept()
            except OSError as error:
                if error.errno not in PASSING:
                    raise
                log.warning("a connection could not be accepted: %s", error.strerror)
                eventlet.sleep(0.05)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)
