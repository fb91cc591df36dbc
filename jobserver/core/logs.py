"""Logs unexpected errors."""

import logging
import traceback


def log_fault(log: logging.Logger, what: str, error: BaseException) -> None:
    """Logs an unexpected error: its traceback and the first line of its message. PostgreSQL's further lines show the
    row, which holds the content of a job."""
    message = str(error).partition("\n")[0]
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s: %s\n%s", what, type(error).__name__, message, where)
