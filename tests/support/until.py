"""Waits for a condition, with a time limit."""

import time
from collections.abc import Callable
from typing import Any

from tests.support.server import Server
from tests.support.snapshot import opened

WITHIN_S = 15  # far above what a loaded machine needs
_BLOCKED = """SELECT COUNT(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""


def until(
    condition: Callable[[], Any],
    message: str | Callable[[], str] = "",
    within_s: float = WITHIN_S,
    pause_s: float = 0.01,
) -> Any:
    """Returns the first true value of the condition. Fails after `within_s`, with `message`."""
    give_up_at = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {within_s} s: {message if isinstance(message, str) else message()}")
        time.sleep(pause_s)
    return value


def blocked(server: Server) -> int:
    """How many statements wait for a lock of another transaction (PostgreSQL)."""
    with opened(server) as database:
        n: int = database.rows(_BLOCKED)[0][0]
        return n


def until_blocked(server: Server, n: int = 1) -> None:
    """Waits for n blocked statements."""
    until(lambda: blocked(server) >= n, f"{n} blocked statements")
