"""Runs the server, or the part of it that tells open pages, until it is told to stop."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.core.version import __version__
from jobserver.server import async_modes, backends, logs
from jobserver.store.location import describe

if TYPE_CHECKING:  # it must not be imported before the server patches the standard library
    from flask import Flask

    CreateApp = Callable[[Settings], Flask]

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
SOCKET_IO = "/socket.io/"
LAST_S = 0.5  # for what reads or writes beside the requests
LAST_WORDS_S = 0.5  # connections to pages have no end to wait for; a page comes back by itself


def serve(settings: Settings, create_app: "CreateApp") -> int:
    """Serves; the exit code."""
    return _run(settings, create_app, "PORT", settings.port, "/get", lambda app: app, settings.drain_s)


def push(settings: Settings, create_app: "CreateApp") -> int:
    """Serves Socket.IO and nothing else, to the pages of a server that can't (docs/apache.md); the exit code."""
    return _run(settings, create_app, "PUSH_PORT", settings.push_port, SOCKET_IO, _only_socket_io, LAST_WORDS_S)


def _run(
    settings: Settings,
    create_app: "CreateApp",
    name: str,
    port: int,
    path: str,
    part: Callable[[WSGIApp], WSGIApp],
    end_s: float,
) -> int:
    """Nothing that blocks may be imported before this patches."""
    try:
        async_modes.patch(settings.async_mode)
    except ImportError as error:
        raise CannotStart(
            f"JOBSERVER_ASYNC_MODE={settings.async_mode} is not installed ({error}): pip install {error.name}."
        ) from error
    database = describe(settings)

    from jobserver.web.services import NAME, Services

    logs.configure(settings)
    app = create_app(settings)
    services: Services = app.extensions[NAME]
    try:
        listener = backends.listen(settings.host, port)
    except OSError as error:
        raise CannotStart(
            f"JOBSERVER_HOST={settings.host}, JOBSERVER_{name}={port} cannot be bound: {error.strerror}."
        ) from error
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    backends.catch_signals()  # before it says that it serves: who starts it may end it from then on
    print(
        f"job_manager {__version__} serves http://{shown}:{port}{path} ({database}, {settings.async_mode})",
        file=sys.stderr,
        flush=True,
    )
    services.start()
    backends.serve(part(app.wsgi_app), listener, services.drain, end_s)
    give_up = time.monotonic() + LAST_S
    while (stuck := services.commit_queue.busy or services.database.busy) and time.monotonic() < give_up:
        time.sleep(0.01)  # the sweeper, for one, is no request that was waited for
    if stuck:  # a database that doesn't answer holds a thread, for which Python would wait at its end
        logging.getLogger("jobserver").error("ended while the database was still at work")
        logging.shutdown()
        os._exit(1)
    services.commit_queue.close()
    services.database.close()
    return 0


def _only_socket_io(app: WSGIApp) -> WSGIApp:
    def part(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(SOCKET_IO):
            return app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Only " + SOCKET_IO.encode() + b" is here.\n"]

    return part
