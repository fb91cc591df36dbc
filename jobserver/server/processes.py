"""Runs the server, or its push service for open pages, until a signal."""

import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.core.version import __version__
from jobserver.server import async_modes, hosting, waiting
from jobserver.store.location import describe, refuse_missing

if TYPE_CHECKING:  # Flask must not be imported before the server patches the standard library
    from flask import Flask

    CreateApp = Callable[[Settings], Flask]

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
MAX_PORT = 65535
SOCKET_IO = "/socket.io/"
BACKGROUND_DRAIN_S = 0.5  # for background reads and writes
PUSH_DRAIN_S = 0.5  # push connections never end; pages reconnect


def serve(settings: Settings, create_app: "CreateApp") -> int:
    """Runs the server; returns the exit code."""
    return _run(settings, create_app, "PORT", settings.port, "/get", lambda app: app, settings.drain_s)


def push(settings: Settings, create_app: "CreateApp") -> int:
    """Runs only Socket.IO, for the pages of a server behind Apache (docs/apache.md); returns the exit code."""
    refuse_missing(settings)
    return _run(settings, create_app, "PUSH_PORT", settings.push_port, SOCKET_IO, _only_socket_io, PUSH_DRAIN_S)


def _run(
    settings: Settings,
    create_app: "CreateApp",
    name: str,
    port: int,
    path: str,
    part: Callable[[WSGIApp], WSGIApp],
    end_s: float,
) -> int:
    """Patches the standard library first: no blocking module may be imported before."""
    try:
        async_modes.patch(settings.async_mode)
    except ImportError as error:
        raise CannotStart(
            f"JOBSERVER_ASYNC_MODE={settings.async_mode} is not installed ({error}): pip install {error.name}."
        ) from error
    database = describe(settings)

    from jobserver.web.services import NAME, Services

    hosting.configure_log(settings)
    app = create_app(settings)
    services: Services = app.extensions[NAME]
    try:
        listener = async_modes.listen(settings.host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} of {settings.host} is in use. Stop the other program, or choose another port:"
                f" JOBSERVER_{name}={port + 1 if port < MAX_PORT else port - 1}."
            ) from error
        raise CannotStart(
            f"Cannot bind to JOBSERVER_HOST={settings.host}, JOBSERVER_{name}={port}: {error.strerror}."
        ) from error
    host, port = listener.getsockname()[:2]
    url_host = f"[{host}]" if ":" in host else host
    waiting.catch_signals()  # before the start message: after it a supervisor may send a signal
    print(
        f"job_manager {__version__} serves http://{url_host}:{port}{path} ({database}, {settings.async_mode})",
        file=sys.stderr,
        flush=True,
    )
    services.start()

    def drain() -> None:
        print(f"job_manager stops: running requests may take {end_s:g} s; a second signal ends them", file=sys.stderr)
        services.drain()

    async_modes.serve(part(app.wsgi_app), listener, drain, end_s)
    give_up = time.monotonic() + BACKGROUND_DRAIN_S
    while (stuck := services.commit_queue.busy or services.database.busy) and time.monotonic() < give_up:
        time.sleep(0.01)  # for example the sweeper
    if stuck:  # a silent database blocks a thread, and Python would wait for it at exit
        logging.getLogger("jobserver").error("exited while the database was still busy")
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
        return [b"Only " + SOCKET_IO.encode() + b" is served here.\n"]

    return part
