"""Starts the web server of the async mode: eventlet's, gevent's, or Werkzeug's with one thread for each connection."""

import gc
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from jobserver.core import concurrency
from jobserver.server.waiting import catch_signals

__all__ = ["catch_signals", "listen", "serve"]

SERVERS = {
    "eventlet": "jobserver.server.eventlet_server",
    "gevent": "jobserver.server.gevent_server",
    "threading": "jobserver.server.threads_server",
}
KEEPALIVE_S = 60
SWITCH_INTERVAL_S = 0.0005  # wait of the event loop for the interpreter lock of a busy thread; default 0.005
GARBAGE_THRESHOLD = 20_000  # new objects before a collection; the default of 700 costs 4 % of the requests
M_ARENA_MAX = -8  # malloc.h


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening TCP socket; OSError if the address cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it; responses are small
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # detects crashed nodes
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, option):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), KEEPALIVE_S)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def serve(app: Callable[..., Any], listener: socket.socket, drain: Callable[[], None], drain_s: float) -> None:
    """Serves until a signal that catch_signals() caught.

    Then calls drain(), and returns when the running requests have ended, or after drain_s. A second signal ends the
    process at once.
    """
    server = import_module(SERVERS[concurrency.mode()])
    _raise_file_limit()
    _limit_malloc_arenas()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()  # existing objects are permanent
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.enable()
    server.serve(app, listener, drain, drain_s)


def _raise_file_limit() -> None:
    """Raises the limit of open files to the hard limit: each worker's connection is one file."""
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _limit_malloc_arenas() -> None:
    """Makes threads share freed memory; otherwise each thread of a pool keeps its peak memory."""
    import ctypes

    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
