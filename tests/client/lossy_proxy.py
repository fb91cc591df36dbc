"""A TCP proxy in front of a real server, which loses responses after the server has handled the request."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit


class LossyProxy:
    """Forwards HTTP, and loses or delays the next responses to a path on request. A context manager."""

    def __init__(self, server_url: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(server_url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.requests: list[str] = []  # such as "POST /get/0", in order of arrival
        self.request_times: list[float] = []
        self.handled = threading.Event()  # set after the server's response, if that response is lost or late
        self._lost: list[str] = []
        self._delayed: list[tuple[str, float]] = []
        self._replacements: list[tuple[str, bytes]] = []

    def lose_response(self, path: str, times: int = 1) -> None:
        """The server handles the request, and the connection breaks before its response."""
        self._lost += [path] * times

    def delay(self, path: str, seconds: float) -> None:
        """The server handles the request, and its response is late."""
        self._delayed.append((path, seconds))

    def replace_response(self, path: str, status: str, headers: str = "", body: str = "{}", times: int = 1) -> None:
        """Sends this response without the server, after all responses to be lost."""
        raw = f"HTTP/1.1 {status}\r\nContent-Length: {len(body.encode())}\r\n{headers}\r\n{body}".encode()
        self._replacements += [(path, raw)] * times

    def count(self, path: str) -> int:
        """The number of requests whose path starts with this text."""
        return sum(line.split()[1].startswith(path) for line in self.requests)

    def __enter__(self) -> LossyProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True)
            with client, client.makefile("rb") as reader:
                while request := _message(reader):
                    if not self._forward(client, request):
                        return

    def _forward(self, client: socket.socket, request: bytes) -> bool:
        """Handles one request. Returns False if the connection must be closed."""
        line = request.split(b" HTTP/", 1)[0].decode()
        path = line.split()[1]
        self.requests.append(line)
        self.request_times.append(time.monotonic())
        for entry in self._replacements:
            if path.startswith(entry[0]) and not any(map(path.startswith, self._lost)):
                self._replacements.remove(entry)
                client.sendall(entry[1])
                return True
        with socket.create_connection(self._server) as server, server.makefile("rb") as response_stream:
            server.sendall(request)
            if _disconnected_before_response(client, server):
                return False
            response = _message(response_stream)
            if not response:  # the server was killed
                return False
        for lost in self._lost:
            if path.startswith(lost):
                self._lost.remove(lost)
                self.handled.set()
                return False
        for delayed in self._delayed:
            if path.startswith(delayed[0]):
                self._delayed.remove(delayed)
                self.handled.set()
                time.sleep(delayed[1])
                break
        client.sendall(response)
        return True


def _disconnected_before_response(client: socket.socket, server: socket.socket) -> bool:
    """Waits for the response. Returns True if the client disconnects first, as a killed worker does."""
    readable, _, _ = select.select([client, server], [], [])
    return server not in readable


def _message(stream) -> bytes:
    """Reads one HTTP message with a Content-Length; b"" at the end of the stream."""
    head = b""
    length = 0
    while line := stream.readline():
        head += line
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if line == b"\r\n":
            return head + stream.read(length)
    return b""
