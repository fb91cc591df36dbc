"""eventlet's web server, with its own way to take connections: by what the event loop calls when there are some, each
being served at once. eventlet's has a green thread that waits for them, and leaves the serving for the loop's next
turn."""

import errno
import logging
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import eventlet
from eventlet.greenio import shutdown_safe
from eventlet.hubs import get_hub, notify_opened
from eventlet.wsgi import STATE_CLOSE, STATE_IDLE, Server

from jobserver.greenlets import Greenlets
from jobserver.plain_socket import PlainSocket
from jobserver.quick import QuickProtocol

MOST_CONNECTIONS = 10_000
IN_A_TURN = 32  # connections: requests of those that are there come in between
PAUSE_S = 0.05  # before it tries again to take some
PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.ECONNRESET, errno.EINTR}
log = logging.getLogger("jobserver")

State = list[Any]  # of a connection, as eventlet has it: its other end, its socket, and what it is doing


class EventletServer:
    """It serves from the start. `short`: see QuickProtocol. `failed`: why it can't go on, and the program must end."""

    def __init__(self, app: Callable[..., Any], listener: Any, short: Collection[str]) -> None:
        self.failed: BaseException | None = None
        self._listener = listener.fd  # the system's own socket
        self._server = Server(
            self._listener, listener.getsockname(), app, log=logging.getLogger("jobserver.wsgi"),
            log_output=False, debug=False, keepalive=True,
            protocol=partial(QuickProtocol, frozenset(name.encode() for name in short)),
        )  # fmt: skip
        self._states: dict[int, State] = {}
        self._greenlets = Greenlets(self._serve)
        self._hub = get_hub()
        self._watch: Any = None
        self._listen()

    def stop(self, within_s: float) -> None:
        """Takes no more connections, closes idle ones, and waits for the running requests, but not for longer."""
        self._ignore()
        self._listener.close()
        give_up = time.monotonic() + within_s
        for state in list(self._states.values()):
            idle, state[2] = state[2] == STATE_IDLE, STATE_CLOSE
            if idle:
                shutdown_safe(state[1])
        while self._states and time.monotonic() < give_up:
            eventlet.sleep(0.01)

    def _listen(self) -> None:
        """Has the event loop call _accept() when there are connections."""
        try:
            if self._listener.fileno() >= 0:  # else the server has ended meanwhile
                self._watch = self._hub.add(self._hub.READ, self._listener.fileno(), self._accept, _nothing, _nothing)
        except BaseException as error:  # the event loop would print it, and go on deaf
            self.failed = error

    def _ignore(self) -> None:
        if self._watch:
            self._hub.remove(self._watch)
            self._watch = None

    def _pause(self) -> None:
        """Ignores those that come, for a while: the loop would have nothing else to do than to tell of them."""
        self._ignore()
        self._hub.schedule_call_global(PAUSE_S, self._listen)

    def _accept(self, _fileno: int) -> None:
        """Takes connections, and serves each up to where it first waits."""
        try:
            for _ in range(IN_A_TURN):
                if len(self._states) >= MOST_CONNECTIONS:
                    self._pause()
                    return
                connection, address = self._listener.accept()
                notify_opened(connection.fileno())
                self._greenlets.begin([address, PlainSocket(connection), STATE_IDLE])
        except BlockingIOError:
            return
        except BaseException as error:  # see _listen()
            if isinstance(error, OSError) and error.errno in PASSING:
                log.warning("a connection could not be accepted: %s", error.strerror)
                self._pause()
            else:
                self.failed = error
                self._ignore()

    def _serve(self, state: State) -> None:
        self._states[id(state)] = state
        try:
            self._server.process_request(state)
        finally:
            del self._states[id(state)]
            shutdown_safe(state[1])  # where bytes came that nobody read, close() alone says "reset", and no end
            state[1].close()


def _nothing(*_values: object) -> None:
    """What the event loop would call if the listener's number were another file's."""
