"""Silent and slow connections are closed, and one address cannot use all of them (a real server, smaller limits)."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.bare_server import SERVE
from tests.support.paths import ROOT

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SERVER = (
    """
import sys, time
from jobserver.server import async_modes

async_modes.patch(sys.argv[1])
from jobserver.server import connection_limits
connection_limits.IDLE_S, connection_limits.HEAD_S, connection_limits.BODY_S = 1.5, 2, 2
connection_limits.MAX_PER_ADDRESS = 20

def app(environ, start_response):
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ["PATH_INFO"] == "/slow":
        time.sleep(3.5)
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""
    + SERVE
)


@pytest.fixture(params=["eventlet", "gevent", "threading"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[str], socket.socket]]:
    """Returns a function that connects to a server, from an address of this machine."""
    command = [sys.executable, "-W", "ignore", "-c", SERVER, request.param]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process, ExitStack() as many:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            yield lambda source: many.enter_context(
                socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
            )
        finally:
            process.kill()


def response_to(connection: socket.socket, request: bytes = REQUEST) -> bytes:
    """Sends a request; returns the start of the response."""
    connection.sendall(request)
    return connection.recv(1000)


def test_connections_of_one_address_are_limited_and_silent_ones_close(connect: Callable[[str], socket.socket]) -> None:
    silent = [connect("127.0.0.2") for _ in range(20)]
    time.sleep(0.5)
    assert connect("127.0.0.2").recv(1000).startswith(b"HTTP/1.1 503 ")
    assert response_to(connect("127.0.0.3")).startswith(b"HTTP/1.1 200 ")
    assert [connection.recv(1) for connection in silent] == [b""] * 20
    assert response_to(connect("127.0.0.2")).startswith(b"HTTP/1.1 200 ")


def test_requests_that_arrive_too_slowly_are_closed(connect: Callable[[str], socket.socket]) -> None:
    """A byte every 0.2 s is never silent for IDLE_S."""
    starts = [  # of a request line, a header and a body
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
    ]
    connections = [connect("127.0.0.2") for _start in starts]
    for connection, start in zip(connections, starts, strict=True):
        connection.sendall(start)
        connection.setblocking(False)
    start_s = time.monotonic()
    still_open = set(connections)
    while still_open and time.monotonic() < start_s + 10:
        time.sleep(0.2)
        for connection in list(still_open):
            try:
                connection.send(b"x")
                if connection.recv(1000) == b"":
                    still_open.remove(connection)
            except BlockingIOError:
                continue
            except ConnectionError:
                still_open.remove(connection)
        assert len(still_open) == len(starts) or time.monotonic() > start_s + 1.5
    assert not still_open


def test_a_slow_response_has_no_time_limit(connect: Callable[[str], socket.socket]) -> None:
    slow = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    assert response_to(connect("127.0.0.2"), slow).startswith(b"HTTP/1.1 200 ")
