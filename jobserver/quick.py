"""HTTP as workers speak it, under eventlet: its own reading of a request, and writing of an answer, cost more than a
claim does. A request that isn't as they most often are is eventlet's, from its first byte."""

import re
import time
from collections.abc import Collection, Mapping
from functools import lru_cache
from io import BufferedReader, BytesIO
from typing import Any

import eventlet
from eventlet.wsgi import BROKEN_SOCK, STATE_REQUEST, HttpProtocol, Server, format_date_time

from jobserver.concurrency import SOCKET
from jobserver.incoming import HEAD, Body, Raw

HEAD_BYTES, BODY_BYTES = 8192, 65_536  # of a request, at the most
EVENTLETS_OWN = {"HTTP_EXPECT", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE"}
BARE = {"CONTENT_TYPE", "CONTENT_LENGTH"}


class QuickProtocol(HttpProtocol):  # type: ignore[misc]
    """One connection. `short`: the first parts of the paths whose requests and answers are short."""

    rfile: Any
    request: Any

    def __init__(self, short: Collection[bytes], conn_state: list[Any], server: Server) -> None:
        self._short = short
        super().__init__(conn_state, server)

    def setup(self) -> None:
        """Nothing yet: eventlet's files are made for the first request that is its own."""
        self.connection = self.request
        self._ahead = b""  # came, and is not used yet
        self._raw: Raw | None = None

    def finish(self) -> None:
        """Closes what there is; the server closes the connection itself."""
        if self._raw is not None:
            try:
                super().finish()
            finally:
                self.rfile.close()  # which it leaves open where its last bytes can't be sent

    def handle_one_request(self) -> None:
        """Reads and answers a request. `close_connection` is then whether it was the last one."""
        ahead = self._read_ahead()
        if ahead or self._ahead:
            eventlet.sleep(0)  # who sends many at once lets others come in between
        if self._short and not ahead and self._quickly():
            return
        if self._raw is None:
            self.connection = self.request = self.conn_state[1] = self.connection.green()
            super().setup()
            self._raw = Raw(self.rfile.detach())
            self.rfile = BufferedReader(self._raw)
        self._raw.ahead, self._ahead = self._raw.ahead + self._ahead, b""
        super().handle_one_request()

    def get_environ(self) -> dict[str, Any]:
        """WSGI's environment of a request that is eventlet's own."""
        environ: dict[str, Any] = super().get_environ()
        if environ["wsgi.input"].chunked_input:
            environ["wsgi.input_terminated"] = True  # its input ends where the body ends; it doesn't say so
        environ[SOCKET] = self.connection
        return environ

    def _read_ahead(self) -> bool:
        """Whether eventlet has read something of the next request already."""
        if self._raw is None:
            return False
        self._raw.paused = True
        try:
            return bool(self.rfile.peek() or self._raw.ahead)
        finally:
            self._raw.paused = False

    def _quickly(self) -> bool:
        """Answers a request, or finds that none will come; False if it is eventlet's own, of which nothing is used."""
        self._ahead = self._ahead or self.connection.recv(HEAD_BYTES)
        if not self._ahead:
            self.close_connection = True
            return True
        found = HEAD.match(self._ahead)
        environ = self._environ(found) if found else None
        if not found or environ is None:
            return False
        self.conn_state[2] = STATE_REQUEST
        size, begin = int(environ.get("CONTENT_LENGTH", 0)), found.end()
        body = Body(self.connection, self._ahead[begin : begin + size], size) if size else None
        environ["wsgi.input"], self._ahead = body or BytesIO(), self._ahead[begin + size :]
        try:
            self.connection.sendall(memoryview(self._answer(environ)))
            while body and body.left and not self.close_connection:
                self.close_connection = not body.read(HEAD_BYTES)
        except OSError as error:
            if error.errno not in BROKEN_SOCK:
                raise
            self.close_connection = True
        return True

    def _environ(self, found: re.Match[bytes]) -> dict[str, Any] | None:
        """WSGI's environment of a request; None if it isn't a quick one."""
        if found[3] not in self._short:
            return None
        headers = _headers(found[5])
        if headers is None:
            return None
        size = headers.get("CONTENT_LENGTH", "0")
        if not (size.isascii() and size.isdigit() and len(size) < 10 and int(size) <= BODY_BYTES):
            return None
        environ: dict[str, Any] = self.server.get_environ() | headers
        environ |= {
            "REQUEST_METHOD": found[1].decode(), "SCRIPT_NAME": "", "PATH_INFO": found[2].decode(),
            "QUERY_STRING": (found[4] or b"").decode(), "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": self.server.address[0], "SERVER_PORT": str(self.server.address[1]),
            "REMOTE_ADDR": self.client_address[0], "REMOTE_PORT": str(self.client_address[1]),
            SOCKET: self.connection,
        }  # fmt: skip
        return environ

    def _answer(self, environ: dict[str, Any]) -> bytes:
        """What the application answers, as it is sent."""
        head: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
            head[:] = [f"HTTP/1.1 {status}", *[f"{name}: {value}" for name, value in headers]]

        parts = self.server.app(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        if not any(line.startswith("Content-Length:") for line in head):
            head.append(f"Content-Length: {len(body)}")
        asked = environ.get("HTTP_CONNECTION", "").lower()
        told = "Connection: close" in head
        self.close_connection = told or asked == "close"
        head.append(f"Date: {_date(int(time.time()))}")
        if not told and asked in ("close", "keep-alive"):
            head.append(f"Connection: {asked}")
        return "\r\n".join([*head, "", ""]).encode("latin-1") + body


@lru_cache(maxsize=256)  # a worker without a claim sends the same ones with each request
def _headers(lines: bytes) -> Mapping[str, str] | None:
    """Headers as WSGI calls them; None if they aren't a quick request's."""
    headers: dict[str, str] = {}
    for line in lines.decode("latin-1").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        key = name.upper().replace("-", "_")
        key = key if key in BARE else f"HTTP_{key}"
        if key in headers or key in EVENTLETS_OWN:
            return None
        headers[key] = value.strip(" \t")
    return headers


@lru_cache(maxsize=2)
def _date(now_s: int) -> str:
    """The time of an answer, as HTTP writes it."""
    written: str = format_date_time(now_s)
    return written
