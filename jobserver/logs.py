"""The log of a server process: to stderr, a line for each change of state, and little from the libraries."""

import logging
import sys
import traceback

from jobserver.config import Settings

CHATTY = ("alembic", "werkzeug", "engineio", "socketio", "geventwebsocket", "jobserver.wsgi")


def begin(settings: Settings) -> None:
    """Sets the log up, for a process that is a server."""
    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def fault(log: logging.Logger, what: str, error: BaseException) -> None:
    """Logs an error that nobody expected: where it came from, and the first line of what it says. PostgreSQL's further
    lines show the row, and so what a job is about."""
    said = str(error).partition("\n")[0]
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s: %s\n%s", what, type(error).__name__, said, where)
