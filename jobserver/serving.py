"""Runs the server until it is told to stop."""

import sys

from jobserver import __version__, concurrency, logs
from jobserver.config import Settings
from jobserver.errors import CannotStart


def serve(settings: Settings) -> int:
    """Serves; the exit code. Nothing that blocks may be imported before this patches."""
    concurrency.patch(settings.async_mode)

    from jobserver import create_app
    from jobserver.services import NAME, Services

    logs.begin(settings)
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
    database = "PostgreSQL" if services.database.postgresql else f"SQLite {settings.uri.removeprefix('sqlite:///')}"
    print(
        f"job_manager {__version__} serves http://{shown}:{port}/get ({database}, {settings.async_mode})",
        file=sys.stderr,
        flush=True,
    )
    services.start()
    concurrency.serve(app.wsgi_app, listener, services.drain, settings.drain_s)
    services.writer.close()
    services.database.close()
    return 0
