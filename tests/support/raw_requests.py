"""Arbitrary requests that a normal client would not send, and checks of their responses."""

import json
import socket
from http.client import HTTPConnection

from tests.support.server import Server


def send(
    server: Server, method: str, path: str, headers: dict[str, object], body: bytes | None = None
) -> tuple[int, bytes]:
    """Sends one request on a new connection. Returns status and body."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def send_and_end(server: Server, raw: bytes) -> bytes:
    """Sends these bytes and closes the sending side. Returns all data of the response."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def check_response(status: int, body: bytes, method: str = "GET") -> None:
    """Checks that a response is not an internal error, and that an error has a message."""
    assert status < 500, body
    if status >= 400 and method != "HEAD":
        error = json.loads(body)
        assert set(error) == {"error", "message"}
        assert error["message"]


def without_fault(server: Server, log_start: int) -> None:
    """Checks that the server runs, and that no route failed after this position of the log."""
    assert server.process is not None
    assert server.process.poll() is None, "the server has ended"
    text = server.log.read_bytes()[log_start:].decode()
    assert "a request failed" not in text, text[-3000:]
    assert "Traceback" not in text, text[-3000:]
