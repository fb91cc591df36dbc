"""What a worker did, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """What a worker did. failed: attempts that failed; given_back: unfinished; lost: taken away meanwhile.

    signum: the signal that ended it, if one did.
    """

    done: int = 0
    failed: int = 0
    given_back: int = 0
    lost: int = 0
    signum: int | None = None
