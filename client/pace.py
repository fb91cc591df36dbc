"""How many jobs to hold at once: about a second of work, found by doing."""

from __future__ import annotations

ABOUT_S = 1.0  # of work in a batch: what is lost with a killed worker, and what the others wait for near the end
MOST = 1000  # the protocol's
GROWS_BY = 8


class Pace:
    """`n`: how many jobs to claim next. It begins with one, and stays there until a job is done."""

    def __init__(self) -> None:
        self.n = 1

    def took(self, done: int, seconds: float) -> None:
        """So many jobs were done in that time, from the request that claimed them to their end."""
        fit = int(ABOUT_S * done / seconds) if seconds > 0 else MOST
        self.n = max(1, min(fit, GROWS_BY * self.n, MOST))
