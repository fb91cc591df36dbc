"""The log of a server process: to stderr, a line for each change of state, and little from the libraries."""

import logging
import sys

from jobserver.config import Settings

CHATTY = ("alembic", "werkzeug", "engineio", "socketio", "geventwebsocket", "jobserver.wsgi")


def begin(settings: Settings) -> None:
    """Sets the log up, for a process that is a server."""
    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
