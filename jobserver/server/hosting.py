"""The web server that hosts us, where we are no program of our own: what mod_wsgi tells of itself."""

import sys
from collections.abc import Callable
from typing import Any


def _mod_wsgi() -> Any:
    return sys.modules.get("mod_wsgi")  # is there in a process of Apache's, without an import


def threads() -> int | None:
    """How many requests this process can have at once; None where it has no such bound, or can't know it."""
    found = getattr(_mod_wsgi(), "threads_per_process", None)
    return int(found) if found else None


def waiting_bound(wished: int) -> int | None:
    """How many requests may wait at once, so that there are always threads for others; None: any number. wished: the
    setting; -1: half of the threads."""
    most = threads()
    if most is None:
        return None if wished < 0 else wished
    return most // 2 if wished < 0 else min(wished, most - 1)


def at_end(work: Callable[[], None]) -> None:
    """Has work() called when the host tells this process to end, before it waits for the running requests."""
    subscribe = getattr(_mod_wsgi(), "subscribe_shutdown", None)  # mod_wsgi 4.7 or newer
    if subscribe:
        subscribe(lambda *_event, **_about: work())
