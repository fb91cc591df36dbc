"""The socket below a request, in servers that expose it."""

import _socket
import os
import socket
from collections.abc import Mapping
from typing import Any

SOCKET = "jobserver.socket"  # its key in the environ of a request


def connection(environ: Mapping[str, Any]) -> Any:
    """Returns the socket of a request; None if the server does not expose it."""
    return environ.get("werkzeug.socket") or environ.get(SOCKET)


def client_gone(environ: Mapping[str, Any]) -> bool:
    """Returns whether the client has closed the connection of a request; False if the server does not expose it."""
    exposed = connection(environ)
    if exposed is None:
        return False
    try:
        copy = _socket.socket(fileno=os.dup(exposed.fileno()))  # the unpatched class: a green socket would wait
    except OSError:
        return True
    try:
        return copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        copy.close()
