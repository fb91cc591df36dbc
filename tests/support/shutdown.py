"""Requests in progress during a shutdown."""

import contextlib
import json
import secrets
from http.client import HTTPConnection

from tests.support.background_client import LONG_WAIT_S, BackgroundClient
from tests.support.server import Server

SECONDS = 8  # far below DRAIN_S and LONG_WAIT_S, far above what a loaded machine needs


def begin_shutdown(server: Server, number: int) -> None:
    """Sends a signal. Returns when the shutdown has begun, which ends a long poll that needs no database: no list has
    its key."""
    long_poll = BackgroundClient(server.url, secrets.randbelow(2**63)).send(f"/get/0?wait={LONG_WAIT_S}")
    server.process.send_signal(number)
    claimed = long_poll.result(SECONDS)
    assert claimed == "nada" or claimed["error"] == "shutting_down"


def half_an_upload(server: Server, jobix: int) -> "contextlib.closing[HTTPConnection]":
    """Sends the first half of a /set."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/set")
    connection.putheader("jobix", str(jobix))
    connection.putheader("Content-Length", "9")
    connection.endheaders(b'{"8":')
    return contextlib.closing(connection)


def finish_upload(upload: HTTPConnection) -> tuple[int, object]:
    """Sends the second half. Returns the response."""
    upload.send(b" {}}")
    response = upload.getresponse()
    return response.status, json.loads(response.read())
