"""Silent connections are closed, and one address cannot use all connections (a real server with smaller limits)."""

import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from tests.conftest import ROOT

SERVER = """
import sys
from jobserver.server import async_modes

async_modes.patch(sys.argv[1])
from jobserver.server import connection_limits
connection_limits.IDLE_S = 2
connection_limits.Connections.__init__.__defaults__ = (20,)
from jobserver.server import backends

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []

listener = backends.listen("127.0.0.1", 0)
backends.catch_signals()
print(listener.getsockname()[1], flush=True)
backends.serve(app, listener, drain=lambda: None, drain_s=1)
"""


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_connections_of_one_address_are_limited_and_silent_ones_close(mode: str) -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER, mode], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process,
        ExitStack() as many,
    ):
        try:
            assert process.stdout
            port = int(process.stdout.readline())

            def connect(source: str) -> socket.socket:
                return many.enter_context(
                    socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
                )

            silent = [connect("127.0.0.2") for _ in range(20)]
            time.sleep(0.5)
            refused = connect("127.0.0.2")
            assert refused.recv(1000).startswith(b"HTTP/1.1 503 ")
            other = connect("127.0.0.3")
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv(1000).startswith(b"HTTP/1.1 200 ")
            assert [one.recv(1) for one in silent] == [b""] * 20
            again = connect("127.0.0.2")
            again.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert again.recv(1000).startswith(b"HTTP/1.1 200 ")
        finally:
            process.kill()
