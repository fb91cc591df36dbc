"""Runs the server, or the part of it that tells open pages, until it is told to stop."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from jobserver import __version__, concurrency, logs, servers
from jobserver.config import Settings
from jobserver.errors import CannotStart

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
SOCKET_IO = "/socket.io/"
LAST_S = 0.5  # for what reads or writes beside the requests
LAST_WORDS_S = 0.5  # connections to pages have no end to wait for; a page comes back by itself


def serve(settings: Settings) -> int:
    """Serves; the exit code."""
    return _run(settings, "PORT", settings.port, "/get", lambda app: app, settings.drain_s)


def tell(settings: Settings) -> int:
    """Serves Socket.IO and nothing else, to the pages of a server that can't (docs/apache.md); the exit code."""
    return _run(settings, "TELL_PORT", settings.tell_port, SOCKET_IO, _only_socket_io, LAST_WORDS_S)


def _run(settings: Settings, name: str, port: int, path: str, part: Callable[[WSGIApp], WSGIApp], end_s: float) -> int:
    """Nothing that blocks may be imported before this patches."""
    try:
        concurrency.patch(settings.async_mode, looks_up=bool(settings.redis_url))
    except ImportError as error:
        packages = {"gevent": "gevent gevent-websocket"}.get(settings.async_mode, settings.async_mode)
        raise CannotStart(
            f"JOBSERVER_ASYNC_MODE={settings.async_mode} can't be had ({error}): pip install {packages}."
        ) from error
    file = settings.sqlite_file
    new = ", a new one" if file is not None and not file.exists() else ""

    from jobserver import create_app
    from jobserver.routes.direct import VIEWS
    from jobserver.services import NAME, Services

    logs.begin(settings)
    app = create_app(settings)
    services: Services = app.extensions[NAME]
    try:
        listener = servers.listen(settings.host, port)
    except OSError as error:
        raise CannotStart(
            f"JOBSERVER_HOST={settings.host}, JOBSERVER_{name}={port} can't be listened on: {error.strerror}."
        ) from error
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    database = f"PostgreSQL {services.database.engine.url.database}" if file is None else f"SQLite {file}{new}"
    servers.catch_signals()  # before it says that it serves: who starts it may end it from then on
    print(
        f"job_manager {__version__} serves http://{shown}:{port}{path} ({database}, {settings.async_mode})",
        file=sys.stderr,
        flush=True,
    )
    services.start()
    servers.serve(part(app.wsgi_app), listener, services.drain, end_s, VIEWS)
    give_up = time.monotonic() + LAST_S
    while (stuck := services.writer.busy or services.database.busy) and time.monotonic() < give_up:
        time.sleep(0.01)  # the sweeper, for one, is no request that was waited for
    if stuck:  # a database that doesn't answer holds a thread, for which Python would wait at its end
        logging.getLogger("jobserver").error("ended while the database was still at work")
        logging.shutdown()
        os._exit(1)
    services.writer.close()
    services.database.close()
    return 0


def _only_socket_io(app: WSGIApp) -> WSGIApp:
    def part(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(SOCKET_IO):
            return app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Only " + SOCKET_IO.encode() + b" is here.\n"]

    return part
