"""What is under way in a server that is told to end."""

import contextlib
import json
import secrets
from http.client import HTTPConnection

from tests.support.server import Server
from tests.support.waiter import FOREVER, Waiter

SECONDS = 8  # far below DRAIN_S and FOREVER, far above what a loaded machine needs


def tell_to_end(server: Server, number: int) -> None:
    """Sends a signal; returns when the server has begun to end. A wait shows it that needs no database: no list has
    this secret."""
    sign = Waiter(server.url, secrets.randbelow(2**63)).ask(f"/get/0?wait={FOREVER}")
    server.process.send_signal(number)
    said = sign.result(SECONDS)
    assert said == "nada" or said["error"] == "shutting_down"


def half_an_upload(server: Server, jobix: int) -> "contextlib.closing[HTTPConnection]":
    """A /set of which the second half is yet to come."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/set")
    connection.putheader("jobix", str(jobix))
    connection.putheader("Content-Length", "9")
    connection.endheaders(b'{"8":')
    return contextlib.closing(connection)


def the_rest(upload: HTTPConnection) -> tuple[int, object]:
    """Sends the second half; the answer."""
    upload.send(b" {}}")
    answer = upload.getresponse()
    return answer.status, json.loads(answer.read())
