"""A server that cannot accept connections exits, so that its supervisor can restart it."""

import subprocess
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection

import pytest

from tests.support.bare_server import SERVE
from tests.support.paths import ROOT

SERVER = (
    """
from jobserver.server import async_modes

async_modes.patch("eventlet")
import socket

def app(environ, start_response):
    FAULT
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""
    + SERVE
)
FAULTS = {
    "a broken listener": ("listener.shutdown(socket.SHUT_RDWR)", "OSError"),
}


@pytest.mark.parametrize(("fault", "error"), FAULTS.values(), ids=FAULTS.keys())
def test_a_server_that_cannot_accept_exits_with_the_error(fault: str, error: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER.replace("FAULT", fault)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        try:
            port = int(process.stdout.readline())
            with suppress(ConnectionError):
                for _ in range(
                    2
                ):  # the first request breaks the listener; the server may notice it at the next connection
                    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                        connection.request("GET", "/get")
                        connection.getresponse()
            assert process.wait(10) == 1
            assert error in process.stderr.read()
        finally:
            process.kill()
