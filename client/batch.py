"""The jobs that a worker holds: those not begun, and how those ended that the server was not told of yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from .attempt import Ending, GivenBack
from .job import Job
from .renewal import Hold

Told = list[tuple[Job, Ending]]
NOT_BEGUN = GivenBack()


class Batch:
    """What one claim brought. Safe to use from two threads: one works, the other may take what it need not hold."""

    def __init__(self, holds: Iterable[Hold]) -> None:
        self._lock = threading.Lock()
        self._waiting = deque(holds)
        self._ended: Told = []

    @property
    def waits(self) -> bool:
        """Whether there are jobs not begun but the first."""
        return len(self._waiting) > 1

    def next(self) -> Hold | None:
        """The job to begin with now; None when there is none left."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def ended(self, told: Told) -> None:
        """How jobs ended; the server is to be told."""
        with self._lock:
            self._ended += told

    def take(self) -> Told:
        """All that the server can be told now; what has not begun is given back. Nothing but the running job is
        left."""
        with self._lock:
            told = self._ended + [(hold.job, NOT_BEGUN) for hold in self._waiting]
            self._ended = []
            self._waiting.clear()
            return told
