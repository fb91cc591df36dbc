"""Requests in progress during a shutdown."""

import contextlib
import json
import secrets
from http.client import HTTPConnection

from tests.support.server import Server
from tests.support.waiter import FOREVER, Waiter

SECONDS = 8  # far below DRAIN_S and FOREVER, far above what a loaded machine needs


def begin_shutdown(server: Server, number: int) -> None:
    """Sends a signal. Returns when the shutdown has begun, which ends a long poll that needs no database: no list has
    its key."""
    sign = Waiter(server.url, secrets.randbelow(2**63)).ask(f"/get/0?wait={FOREVER}")
    server.process.send_signal(number)
    said = sign.result(SECONDS)
    assert said == "nada" or said["error"] == "shutting_down"


def half_an_upload(server: Server, jobix: int) -> "contextlib.closing[HTTPConnection]":
    """Sends the first half of a /set."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/set")
    connection.putheader("jobix", str(jobix))
    connection.putheader("Content-Length", "9")
    connection.endheaders(b'{"8":')
    return contextlib.closing(connection)


def the_rest(upload: HTTPConnection) -> tuple[int, object]:
    """Sends the second half. Returns the response."""
    upload.send(b" {}}")
    answer = upload.getresponse()
    return answer.status, json.loads(answer.read())
