"""Serves with gevent's stock WSGI server."""

import errno
import socket
from collections.abc import Callable
from typing import Any

from gevent import sleep
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from jobserver.feed.connections import SOCKET
from jobserver.server.connection_limits import IDLE_S, MAX_CONNECTIONS, Connections
from jobserver.server.request_heads import RecordedLines, ambiguity, refusal
from jobserver.server.waiting import RunningRequests, is_websocket, wait_for_signal

WEBSOCKET_PAUSE_S, WEBSOCKET_BYTES = 0.02, 512  # between two reads, and at most in one


class AmbiguousHead(ValueError):
    """A request head that is refused; its message is for the client."""


class Handler(WSGIHandler):  # type: ignore[misc]
    """One connection."""

    open_connections = Connections()

    def handle(self) -> None:
        """Handles the requests of the connection."""
        opened = self.open_connections.open(self.client_address[0], self.socket)
        if opened is None:
            self.socket.close()
            return
        self._opened = opened
        try:
            super().handle()
        finally:
            self.open_connections.close(opened)

    def read_requestline(self) -> str:
        """Reads the request line. A silent connection ends after IDLE_S."""
        self._opened.await_head()
        self.socket.settimeout(IDLE_S)
        line: str = super().read_requestline()
        self.socket.settimeout(None)
        return line

    def MessageClass(self, stream: Any, *rest: Any) -> Any:  # noqa: N802
        """Parses the headers; raises AmbiguousHead."""
        recorded = RecordedLines(stream)
        headers = super().MessageClass(recorded, *rest)
        problem = ambiguity(recorded.lines, self.request_version)
        if problem:
            raise AmbiguousHead(problem)
        return headers

    def _handle_client_error(self, error: Exception) -> Any:
        """gevent's hook: returns the status and the whole response to a head that cannot be parsed."""
        if isinstance(error, AmbiguousHead):
            return "400", refusal(str(error))
        return super()._handle_client_error(error)

    def get_environ(self) -> dict[str, Any]:
        """Returns the WSGI environment of the request."""
        environ: dict[str, Any] = super().get_environ()
        self._opened.head_received("CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ)
        environ[SOCKET] = self.socket
        if is_websocket(environ):
            environ["werkzeug.socket"] = WebSocketSocket(self.socket, sleep)  # the key that simple_websocket reads
        return environ

    def log_request(self) -> None:
        """Does nothing: there is no access log, and gevent would format each line before it drops it."""

    def run_application(self) -> None:
        """Answers the request."""
        try:
            super().run_application()
        except ConnectionError as error:  # engineio raises one without a number at the end of each WebSocket
            raise ConnectionResetError(errno.ECONNRESET, "The WebSocket has ended.") from error


class WebSocketSocket:
    """A green socket for simple_websocket, which would send incomplete messages and read ahead without a pause."""

    def __init__(self, green: Any, sleep: Callable[[float], object]) -> None:
        self.send = green.sendall
        self._green = green
        self._sleep = sleep

    def recv(self, size: int) -> bytes:
        """Reads a little at a time, and yields to other requests even if there is more to read."""
        self._sleep(WEBSOCKET_PAUSE_S)
        received: bytes = self._green.recv(min(size, WEBSOCKET_BYTES))
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._green, name)


def serve(app: Callable[..., Any], listener: socket.socket, drain: Callable[[], None], drain_s: float) -> None:
    """Serves until a signal, then drains."""
    running = RunningRequests(app)
    server = WSGIServer(listener, running, log=None, error_log=None, spawn=Pool(MAX_CONNECTIONS), handler_class=Handler)
    server.start()
    wait_for_signal()
    drain()
    server.close()
    running.wait(drain_s)
