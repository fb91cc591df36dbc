"""Serves with Werkzeug's server, with one thread for each connection."""

import socket
import threading
from collections.abc import Callable
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from jobserver.server.connection_limits import IDLE_S, LimitedConnection
from jobserver.server.request_heads import CheckedHeads
from jobserver.server.waiting import RunningRequests, wait_for_signal


class Handler(LimitedConnection, CheckedHeads, WSGIRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_S

    def log(self, *_values: Any) -> None:
        """Does nothing: the server logs changes, not requests."""


def serve(app: Callable[..., Any], listener: socket.socket, drain: Callable[[], None], drain_s: float) -> None:
    """Serves until a signal, then drains."""
    host, port = listener.getsockname()[:2]
    running = RunningRequests(app)
    server = make_server(host, port, running, threaded=True, request_handler=Handler, fd=listener.fileno())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    wait_for_signal()
    drain()
    server.shutdown()
    server.server_close()
    listener.close()
    running.wait(drain_s)
