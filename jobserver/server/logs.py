"""Configures the log on stderr: one line for each change of state, and warnings of the libraries."""

import logging
import sys

from jobserver.core.settings import Settings

CHATTY = ("alembic", "werkzeug", "engineio", "socketio", "jobserver.wsgi")


def configure(settings: Settings) -> None:
    """Configures logging for a server process."""
    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
