"""The web servers: eventlet's, gevent's, or Werkzeug's with a thread a request, each ending as it should."""

import errno
import gc
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jobserver.core import concurrency
from jobserver.feed.connections import SOCKET

WSGIApp = Callable[..., Any]

MAX_CONNECTIONS = 10_000
PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.ECONNRESET, errno.EINTR}
PAUSE_S = 0.05  # before the next try to accept a connection
KEEPALIVE_S = 60
WEBSOCKET_PAUSE_S, WEBSOCKET_BYTES = 0.02, 512  # between two reads under gevent, and at most in one
LOOP_WAITS_S = 0.0005  # for the interpreter, at each step, beside a thread that computes; 5 ms add up to seconds
GARBAGE = 20_000  # objects before somebody looks for cycles, of which a request leaves few; 700 cost 4 %
M_ARENA_MAX = -8  # malloc.h
log = logging.getLogger("jobserver")
_came: list[int] = []  # signals to end


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; OSError when the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it; answers are small
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a node that crashed doesn't keep its connection
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, option):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), KEEPALIVE_S)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def serve(app: WSGIApp, listener: socket.socket, drain: Callable[[], None], drain_s: float) -> None:
    """Serves until a signal that catch_signals() caught. Then calls drain(), and returns when the running requests have
    ended, or after drain_s. A second signal ends the process at once."""
    _more_files()
    _few_arenas()
    sys.setswitchinterval(LOOP_WAITS_S)
    gc.collect()
    gc.freeze()  # what is there now stays
    gc.set_threshold(GARBAGE)
    gc.enable()
    backends: dict[str, Callable[..., None]] = {
        "eventlet": _serve_eventlet, "gevent": _serve_gevent, "threading": _serve_threads,
    }  # fmt: skip
    backends[concurrency.mode()](app, listener, drain, drain_s)


def catch_signals() -> None:
    """From now on the first SIGINT or SIGTERM is what serve() ends by; a second one ends at once."""

    def handler(number: int, _frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        _came.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _more_files() -> None:
    """Raises the limit of open files to what is allowed: each worker's connection is one."""
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _few_arenas() -> None:
    """Has threads share the memory that they gave back; else each of a pool's keeps the most that it ever needed."""
    import ctypes

    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _wait_for_signal(failed: Callable[[], bool] = lambda: False) -> None:
    """Returns after SIGINT or SIGTERM, or when the server has failed. It looks again and again: an event loop may sleep
    through a signal."""
    while not _came and not failed():
        time.sleep(0.1)


def _serve_eventlet(app: WSGIApp, listener: Any, drain: Callable[[], None], drain_s: float) -> None:
    import eventlet
    from eventlet import wsgi

    class Protocol(wsgi.HttpProtocol):  # type: ignore[misc]
        def get_environ(self) -> dict[str, Any]:
            environ: dict[str, Any] = super().get_environ()
            if environ["wsgi.input"].chunked_input:
                environ["wsgi.input_terminated"] = (
                    True  # the input ends where the body ends, which eventlet does not say
                )
            environ[SOCKET] = self.connection
            return environ

    pool = eventlet.GreenPool(MAX_CONNECTIONS)
    server = eventlet.spawn(
        wsgi.server, _Listener(listener), app, custom_pool=pool, protocol=Protocol,
        log=logging.getLogger("jobserver.wsgi"), log_output=False, debug=False,
    )  # fmt: skip
    _wait_for_signal(lambda: server.dead)
    if server.dead:
        server.wait()  # raises what ended it
    drain()
    server.kill(SystemExit)  # ends the accept loop and closes idle connections; then it waits for running requests
    listener.close()  # refuse new connections now; eventlet would do so after the last request
    with eventlet.Timeout(drain_s, False):
        server.wait()


class _Listener:
    """A listening socket for eventlet's server, which would stop accepting after an error such as too many open
    files."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener

    def accept(self) -> Any:
        while True:
            try:
                return self._listener.accept()
            except OSError as error:
                if error.errno not in PASSING:
                    raise
                log.warning("a connection could not be accepted: %s", error.strerror)
                time.sleep(PAUSE_S)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


def _serve_gevent(app: WSGIApp, listener: socket.socket, drain: Callable[[], None], drain_s: float) -> None:
    from gevent import sleep
    from gevent.pool import Pool
    from gevent.pywsgi import WSGIHandler, WSGIServer

    class Handler(WSGIHandler):  # type: ignore[misc]
        def get_environ(self) -> dict[str, Any]:
            environ: dict[str, Any] = super().get_environ()
            environ[SOCKET] = self.socket
            if _is_websocket(environ):
                environ["werkzeug.socket"] = WebSocketSocket(self.socket, sleep)  # the name that simple_websocket knows
            return environ

        def run_application(self) -> None:
            try:
                super().run_application()
            except ConnectionError as error:  # engineio raises one without a number at the end of each WebSocket
                raise ConnectionResetError(errno.ECONNRESET, "The WebSocket has ended.") from error

    running = _Running(app)
    server = WSGIServer(listener, running, log=None, error_log=None, spawn=Pool(MAX_CONNECTIONS), handler_class=Handler)
    server.start()
    _wait_for_signal()
    drain()
    server.close()
    running.wait(drain_s)


class WebSocketSocket:
    """A green socket for simple_websocket, which would send a message in part and read ahead without a pause."""

    def __init__(self, green: Any, sleep: Callable[[float], object]) -> None:
        self.send = green.sendall
        self._green = green
        self._sleep = sleep

    def recv(self, size: int) -> bytes:
        """Reads a little at a time, and yields to other requests even if there is more to read."""
        self._sleep(WEBSOCKET_PAUSE_S)
        received: bytes = self._green.recv(min(size, WEBSOCKET_BYTES))
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._green, name)


def _serve_threads(app: WSGIApp, listener: socket.socket, drain: Callable[[], None], drain_s: float) -> None:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 120

        def log(self, *_values: Any) -> None:
            """Nothing: the server logs changes, not requests."""

    host, port = listener.getsockname()[:2]
    running = _Running(app)
    server = make_server(host, port, running, threaded=True, request_handler=Quiet, fd=listener.fileno())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    _wait_for_signal()
    drain()
    server.shutdown()
    server.server_close()
    listener.close()
    running.wait(drain_s)


def _is_websocket(environ: dict[str, Any]) -> bool:
    """Returns whether a request asks for a WebSocket."""
    return str(environ.get("HTTP_UPGRADE", "")).lower() == "websocket"


class _Running:
    """Counts the requests that are under way, for servers that don't."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if _is_websocket(environ):
            return self._app(environ, start_response)  # not waited for: drain() ends it
        with self._lock:
            self._count += 1
        from werkzeug.wsgi import ClosingIterator

        return ClosingIterator(self._app(environ, start_response), self._ended)

    def _ended(self) -> None:
        with self._lock:
            self._count -= 1

    def wait(self, timeout_s: float) -> None:
        give_up = time.monotonic() + timeout_s
        while self._count > 0 and time.monotonic() < give_up:
            time.sleep(0.02)
        time.sleep(0.05)  # the last bytes of the last answer
