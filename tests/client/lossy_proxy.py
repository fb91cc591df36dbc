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
        self.seen: list[str] = []  # "POST /get/0", as they came
        self.seen_at: list[float] = []
        self.handled = threading.Event()  # set when the server has answered a request whose answer is lost or late
        self._lose: list[str] = []
        self._late: list[tuple[str, float]] = []
        self._instead: list[tuple[str, bytes]] = []

    def lose(self, path: str, times: int = 1) -> None:
        """The server handles the request, and the connection breaks before its response."""
        self._lose += [path] * times

    def delay(self, path: str, seconds: float) -> None:
        """The server handles the request, and its response is late."""
        self._late.append((path, seconds))

    def instead(self, path: str, status: str, headers: str = "", body: str = "{}", times: int = 1) -> None:
        """Sends this response without the server. Responses to be lost come first."""
        raw = f"HTTP/1.1 {status}\r\nContent-Length: {len(body.encode())}\r\n{headers}\r\n{body}".encode()
        self._instead += [(path, raw)] * times

    def count(self, path: str) -> int:
        """How many requests began with that path."""
        return sum(line.split()[1].startswith(path) for line in self.seen)

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
            with client, client.makefile("rb") as asked:
                while request := _message(asked):
                    if not self._answer(client, request):
                        return

    def _answer(self, client: socket.socket, request: bytes) -> bool:
        """False when the connection is to be broken."""
        line = request.split(b" HTTP/", 1)[0].decode()
        path = line.split()[1]
        self.seen.append(line)
        self.seen_at.append(time.monotonic())
        for entry in self._instead:
            if path.startswith(entry[0]) and not any(map(path.startswith, self._lose)):
                self._instead.remove(entry)
                client.sendall(entry[1])
                return True
        with socket.create_connection(self._server) as server, server.makefile("rb") as answered:
            server.sendall(request)
            if _gone_before_answered(client, server):
                return False
            answer = _message(answered)
            if not answer:  # the server was killed
                return False
        for lost in self._lose:
            if path.startswith(lost):
                self._lose.remove(lost)
                self.handled.set()
                return False
        for late in self._late:
            if path.startswith(late[0]):
                self._late.remove(late)
                self.handled.set()
                time.sleep(late[1])
                break
        client.sendall(answer)
        return True


def _gone_before_answered(client: socket.socket, server: socket.socket) -> bool:
    """Waits for the answer; True when the client hangs up first, as a worker does that is gone."""
    readable, _, _ = select.select([client, server], [], [])
    return server not in readable


def _message(stream) -> bytes:
    """One HTTP message with a Content-Length; b"" at the end."""
    head = b""
    length = 0
    while line := stream.readline():
        head += line
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if line == b"\r\n":
            return head + stream.read(length)
    return b""
