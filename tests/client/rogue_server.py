"""A TCP server that reads HTTP requests and sends the bytes that a test chooses."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

Script = Callable[[str, Any], Iterable[bytes]]


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """A response with a Content-Length."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class RogueServer:
    """Calls `script(path, body)` for each request and sends the bytes that it yields. A context manager."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.paths: list[str] = []

    def __enter__(self) -> RogueServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, client.makefile("rb") as requests:
            while line := requests.readline():
                path, length = line.split()[1].decode(), 0
                while (header := requests.readline()) not in (b"\r\n", b""):
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                body = requests.read(length)
                self.paths.append(path)
                parsed = json.loads(body) if body[:1] in (b"[", b"{") else None
                for chunk in self._script(path, parsed):
                    client.sendall(chunk)
