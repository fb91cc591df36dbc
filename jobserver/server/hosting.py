"""The web server that hosts the application, if job_manager did not start the process: mod_wsgi's interface."""

import sys
from collections.abc import Callable
from typing import Any


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
