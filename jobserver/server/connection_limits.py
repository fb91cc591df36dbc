"""Limits of connections: their number for one address, and the time in which a request must arrive."""

import json
import socket
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from jobserver.core.concurrency import new_lock, spawn

MAX_CONNECTIONS = 10_000
MAX_PER_ADDRESS = MAX_CONNECTIONS // 2  # a cluster behind one address fits, and leaves room for others
IDLE_S = 60  # without a byte, before the first request and between two
HEAD_S = 120  # for a whole head, from the end of the previous response
BODY_S = 900  # for a whole request with a body: 256 MB at 2.3 Mbit/s
CLOSE_EVERY_S = 1
_BODY = json.dumps(
    {"error": "server_busy", "message": "Your address has too many open connections; try again."}
).encode()
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class OpenConnection:
    """One open connection, and the time at which it is closed."""

    def __init__(self, address: str, connection: socket.socket) -> None:
        self.address = address
        self.socket = connection
        self.give_up: float | None = None  # by time.monotonic()

    def await_head(self) -> None:
        """Starts the time limit of the next request's head."""
        self.give_up = time.monotonic() + HEAD_S

    def head_received(self, has_body: bool) -> None:
        """Ends the time limit of the head, and starts the one of a request with a body."""
        self.give_up = time.monotonic() + BODY_S if has_body else None


class Connections:
    """The open connections of this process."""

    def __init__(self) -> None:
        self._open: set[OpenConnection] = set()
        self._per_address: Counter[str] = Counter()
        self._lock = new_lock()
        self._started = False

    def open(self, address: str, connection: socket.socket) -> OpenConnection | None:
        """Adds a connection. None at the limit of its address: the connection has got a 503 response."""
        with self._lock:
            accepted = self._per_address[address] < MAX_PER_ADDRESS
            if accepted:
                self._per_address[address] += 1
                opened = OpenConnection(address, connection)
                self._open.add(opened)
            start, self._started = not self._started, True
        if start:
            spawn(self._close_late, "connection limits")
        if accepted:
            return opened
        with suppress(OSError):
            connection.sendall(REFUSAL)
        return None

    def close(self, closed: OpenConnection) -> None:
        """Removes a connection."""
        with self._lock:
            self._open.discard(closed)
            self._per_address[closed.address] -= 1
            if self._per_address[closed.address] <= 0:
                del self._per_address[closed.address]

    def _close_late(self) -> None:
        """Closes connections whose request does not arrive in time; their readers then see the end of the stream."""
        while True:
            time.sleep(CLOSE_EVERY_S)
            now = time.monotonic()
            with self._lock:
                late = [one for one in self._open if one.give_up is not None and one.give_up < now]
            for one in late:
                with suppress(OSError):
                    one.socket.shutdown(socket.SHUT_RDWR)


class LimitedConnection:
    """Mix-in for the request handlers that derive from http.server: applies the limits."""

    open_connections = Connections()
    connection: Any
    client_address: Any
    headers: Any

    def handle(self) -> None:
        """Handles the requests of the connection."""
        opened = self.open_connections.open(self.client_address[0], self.connection)
        if opened is None:
            return
        self._opened = opened
        try:
            super().handle()  # type: ignore[misc]
        finally:
            self.open_connections.close(opened)

    def handle_one_request(self) -> None:
        """Handles the next request."""
        self._opened.await_head()
        super().handle_one_request()  # type: ignore[misc]

    def parse_request(self) -> bool:
        """Parses the request line and the headers."""
        parsed: bool = super().parse_request()  # type: ignore[misc]
        if parsed:
            self._opened.head_received("content-length" in self.headers or "transfer-encoding" in self.headers)
        return parsed
