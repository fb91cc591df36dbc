"""Runs the server until it is told to stop."""

import logging
import os
import sys

from jobserver import __version__, concurrency
from jobserver.config import Settings
from jobserver.errors import CannotStart


def serve(settings: Settings) -> int:
    """Serves; the exit code. Nothing that blocks may be imported before this patches."""
    try:
        concurrency.patch(settings.async_mode)
    except ImportError as error:
        packages = {"gevent": "gevent gevent-websocket"}.get(settings.async_mode, settings.async_mode)
        raise CannotStart(
            f"JOBSERVER_ASYNC_MODE={settings.async_mode} can't be had ({error}): pip install {packages}."
        ) from error
    file = settings.sqlite_file
    new = ", a new one" if file is not None and not file.exists() else ""

    from jobserver import create_app
    from jobserver.services import NAME, Services

    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for chatty in ("alembic", "werkzeug", "engineio", "socketio", "geventwebsocket", "jobserver.wsgi"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    app = create_app(settings)
    services: Services = app.extensions[NAME]
    try:
        listener = concurrency.listen(settings.host, settings.port)
    except OSError as error:
        raise CannotStart(
            f"JOBSERVER_HOST={settings.host}, JOBSERVER_PORT={settings.port} can't be listened on: {error.strerror}."
        ) from error
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    database = f"PostgreSQL {services.database.engine.url.database}" if file is None else f"SQLite {file}{new}"
    print(
        f"job_manager {__version__} serves http://{shown}:{port}/get ({database}, {settings.async_mode})",
        file=sys.stderr,
        flush=True,
    )
    services.start()
    concurrency.serve(app.wsgi_app, listener, services.drain, settings.drain_s)
    if services.writer.busy:  # a database that doesn't answer holds a thread, for which Python would wait at its end
        logging.getLogger("jobserver").error("ended while the database was still being written to")
        logging.shutdown()
        os._exit(1)
    services.writer.close()
    services.database.close()
    return 0
