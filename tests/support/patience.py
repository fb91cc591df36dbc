"""Waiting for what must come, with a bound."""

import time
from collections.abc import Callable

from tests.support.server import Server
from tests.support.snapshot import opened

BOUND_S = 15
_BLOCKED = """SELECT COUNT(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""


def until(true: Callable[[], object], bound_s: float = BOUND_S) -> None:
    """Returns when it is true."""
    give_up = time.monotonic() + bound_s
    while not true():
        assert time.monotonic() < give_up, f"it did not come within {bound_s} s"
        time.sleep(0.01)


def blocked(server: Server) -> int:
    """How many statements wait for somebody's lock (PostgreSQL); looked up outside of any transaction."""
    with opened(server) as database:
        n: int = database.rows(_BLOCKED)[0][0]
        return n


def until_blocked(server: Server, n: int = 1) -> None:
    """Returns when so many do."""
    until(lambda: blocked(server) >= n)
