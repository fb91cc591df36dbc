"""The process that hosts the application: its log, and mod_wsgi's interface if Apache started the process."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from jobserver.core.settings import Settings

VERBOSE_LOGGERS = ("alembic", "werkzeug", "engineio", "socketio", "jobserver.wsgi")


def configure_log(settings: Settings) -> None:
    """Configures the log on stderr: one line for each change of state, and warnings of the libraries."""
    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _mod_wsgi() -> Any:
    return sys.modules.get("mod_wsgi")  # Apache's processes have it without an import


def threads() -> int | None:
    """Returns the maximum number of concurrent requests in this process; None if unlimited or unknown."""
    count = getattr(_mod_wsgi(), "threads_per_process", None)
    return int(count) if count else None


def waiting_bound(setting: int) -> int | None:
    """Returns the maximum number of waiting requests, so that threads remain for others; None: no limit. `setting`:
    MAX_WAITING; -1: half of the threads."""
    most = threads()
    if most is None:
        return None if setting < 0 else setting
    return most // 2 if setting < 0 else min(setting, most - 1)


def at_end(work: Callable[[], None]) -> None:
    """Registers work(), to be called when the host ends this process, before it waits for running requests."""
    subscribe = getattr(_mod_wsgi(), "subscribe_shutdown", None)  # mod_wsgi 4.7 or newer
    if subscribe:
        subscribe(lambda *_event, **_about: work())
