"""Tells what a web server gives to an application, for each request: python -m tests.support.echo [<connections>].

It takes so many connections at once. Prints its port."""

import gc
import json
import sys
import time
from contextlib import suppress
from typing import Any

from jobserver.core import concurrency

SHORT = ("get", "heartbeat")
GIVEN = ("HTTP_", "SERVER_", "REMOTE_A", "CONTENT_LENGTH", "PATH_INFO", "QUERY_", "REQUEST_", "SCRIPT_")


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with what it was given, as headers ask for it; `quick`: not by eventlet's own way."""
    from werkzeug.exceptions import ClientDisconnected
    from werkzeug.wsgi import get_input_stream

    told: dict[str, Any] = {name: value for name, value in environ.items() if name.startswith(GIVEN)}
    time.sleep(float(environ.get("HTTP_WAIT", 0)))
    told["body"] = None
    if "HTTP_UNREAD" not in environ:
        with suppress(ClientDisconnected):
            told["body"] = get_input_stream(environ).read().decode("latin-1")
    told["quick"] = "eventlet.input" not in environ
    told["collecting"] = gc.isenabled()
    told["much"] = "x" * int(environ.get("HTTP_MUCH", 0))
    body = json.dumps(told).encode()
    headers = [("Content-Type", "application/json")]
    if "HTTP_LENGTH" in environ:
        headers.append(("Content-Length", str(len(body))))
    if "HTTP_END" in environ:
        headers.append(("Connection", "close"))
    start_response("200 OK", headers)
    return [body]


def main(connections: int | None = None) -> None:
    """Serves until it is told to stop."""
    gc.disable()  # as the server does it
    concurrency.patch("eventlet")  # before anything else is imported, as the server does it

    from jobserver import eventlet_server
    from jobserver.server import backends

    eventlet_server.MOST_CONNECTIONS = connections or eventlet_server.MOST_CONNECTIONS
    listener = backends.listen("127.0.0.1", 0)
    backends.catch_signals()
    print(listener.getsockname()[1], flush=True)
    backends.serve(app, listener, drain=lambda: None, drain_s=20, short=SHORT)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
