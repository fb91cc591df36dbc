"""Requests with anything in them, past what a decent client would send; and how they must be answered."""

import json
import socket
from http.client import HTTPConnection

from tests.support.server import Server


def send(
    server: Server, method: str, path: str, headers: dict[str, object], body: bytes | None = None
) -> tuple[int, bytes]:
    """One request on a connection of its own: the answer's status and body."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def send_and_end(server: Server, raw: bytes) -> bytes:
    """Sends these bytes, and says that no more will come; all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def judge(status: int, body: bytes, method: str = "GET") -> None:
    """No fault of the server's; and an error says what is wrong."""
    assert status < 500, body
    if status >= 400 and method != "HEAD":
        error = json.loads(body)
        assert set(error) == {"error", "message"}
        assert error["message"]


def without_fault(server: Server, begun: int) -> None:
    """The server lives on, and none of its routes has failed since its log was that long."""
    assert server.process is not None
    assert server.process.poll() is None, "the server is gone"
    said = server.log.read_bytes()[begun:].decode()
    assert "a request failed" not in said, said[-3000:]
    assert "Traceback" not in said, said[-3000:]
