"""Serves with eventlet's stock WSGI server."""

import errno
import logging
import re
import time
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet import wsgi

from jobserver.feed.connections import SOCKET
from jobserver.server.connection_limits import IDLE_S, MAX_CONNECTIONS, LimitedConnection
from jobserver.server.request_heads import CheckedHeads
from jobserver.server.waiting import wait_for_signal

TEMPORARY_ERRORS = {
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.ECONNABORTED,
    errno.ECONNRESET,
    errno.EINTR,
}
PAUSE_S = 0.05  # before the next try to accept a connection
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*(;[^\x00\r\n]*)?\r?\n")
MAX_LINE = 8192
log = logging.getLogger("jobserver")


class ChunkFraming:
    """The stream of a chunked body. eventlet reads chunk sizes such as +5 or 0x5, and ignores what follows a chunk's
    data; a proxy may read them differently."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._next = "size"

    def read(self, size: int) -> bytes:
        """Reads data of the current chunk."""
        data: bytes = self._stream.read(size)
        return data

    def readline(self, size: int = -1) -> bytes:
        """Reads a line of data if `size` is given, otherwise a line between the chunks. ChunkReadError if that is
        malformed."""
        line: bytes = self._stream.readline(MAX_LINE if size < 0 else size)
        if size >= 0 or self._next == "trailer":
            return line
        if self._next == "size":
            if not CHUNK_SIZE.fullmatch(line):
                raise wsgi.ChunkReadError("malformed chunk size")
            self._next = "end of data" if int(line.partition(b";")[0], 16) else "trailer"
        else:
            if line not in (b"\r\n", b"\n"):
                raise wsgi.ChunkReadError("a chunk is longer than its size")
            self._next = "size"
        return line


class Protocol(LimitedConnection, CheckedHeads, wsgi.HttpProtocol):  # type: ignore[misc]
    """One connection."""

    def get_environ(self) -> dict[str, Any]:
        """Returns the WSGI environment of the request."""
        environ: dict[str, Any] = super().get_environ()
        body = environ["wsgi.input"]
        if body.chunked_input:
            body.rfile = ChunkFraming(body.rfile)
            environ["wsgi.input_terminated"] = (
                True  # eventlet ends the input at the end of the body, but does not set this
            )
        environ[SOCKET] = self.connection
        return environ


class Listener:
    """A listening socket for eventlet's server, which would stop accepting after an error such as too many open
    files."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener

    def accept(self) -> Any:
        """Accepts the next connection."""
        while True:
            try:
                return self._listener.accept()
            except OSError as error:
                if error.errno not in TEMPORARY_ERRORS:
                    raise
                log.warning("a connection could not be accepted: %s", error.strerror)
                time.sleep(PAUSE_S)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


def serve(app: Callable[..., Any], listener: Any, drain: Callable[[], None], drain_s: float) -> None:
    """Serves until a signal, then drains."""
    pool = eventlet.GreenPool(MAX_CONNECTIONS)
    server = eventlet.spawn(
        wsgi.server, Listener(listener), app, custom_pool=pool, protocol=Protocol, keepalive=IDLE_S,
        log=logging.getLogger("jobserver.wsgi"), log_output=False, debug=False,
    )  # fmt: skip
    wait_for_signal(lambda: server.dead)
    if server.dead:
        server.wait()  # raises the exception that ended it
    drain()
    server.kill(SystemExit)  # ends the accept loop and closes idle connections; then it waits for running requests
    listener.close()  # refuse new connections now, not after the last request
    with eventlet.Timeout(drain_s, False):
        server.wait()
