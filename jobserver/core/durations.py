"""How long jobs took, kept as counts in buckets that grow by a factor: small, and exact enough for a person. Pure."""

import math
from collections.abc import Mapping

from jobserver.core.lifetimes import MS_PER_MINUTE

A_DOUBLING = 4  # buckets: each is 19 % wider than the one before, so a quantile is off by that at most
LEAST_MINUTES = 1  # a worker must be able to renew its claim though the network is away for a moment
NICE = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)

Counts = Mapping[int, int]  # bucket -> jobs


def bucket(ms: int) -> int:
    """The bucket of a duration: 0 is below a millisecond."""
    return math.floor(A_DOUBLING * math.log2(ms)) + 1 if ms >= 1 else 0


def upper_ms(number: int) -> float:
    """Where a bucket ends."""
    return math.pow(2, number / A_DOUBLING)


def quantile_ms(counts: Counts, share: float) -> float | None:
    """The duration that this share of the jobs did not exceed; None without jobs."""
    total = sum(counts.values())
    if not total:
        return None
    wanted, below = share * total, 0
    for number, jobs in sorted(counts.items()):
        if below + jobs >= wanted:
            part = (wanted - below) / jobs
            low = upper_ms(number - 1) if number else 0.0
            return low + part * (upper_ms(number) - low)
        below += jobs
    return upper_ms(max(counts))


def proposal_ms(counts: Counts) -> int | None:
    """A lifetime that 99 % of the jobs would have kept, rounded up to minutes as a person would choose them."""
    longest = quantile_ms(counts, 0.99)
    if longest is None:
        return None
    minutes = max(longest / MS_PER_MINUTE, LEAST_MINUTES)
    unit: float = 10.0 ** math.floor(math.log10(minutes))
    step = next(step for step in NICE if step * unit >= minutes * (1 - 1e-9))
    return round(step * unit * MS_PER_MINUTE)
