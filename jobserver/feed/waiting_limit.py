"""The limit of requests that may wait at once in this process: long polls and heartbeats share it."""

from collections.abc import Iterator
from contextlib import contextmanager

from jobserver.core.concurrency import new_lock


class WaitingLimit:
    """Counts the waiting requests. `limit`: their largest number; None: no limit."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lock = new_lock()
        self._waiting = 0

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Yields whether the request may wait; it counts as waiting until the context ends."""
        with self._lock:
            granted = self._limit is None or self._waiting < self._limit
            self._waiting += granted
        try:
            yield granted
        finally:
            with self._lock:
                self._waiting -= granted
