"""Histograms of job durations. Each bucket is wider than the last one by a constant factor. Pure."""

import math
from collections.abc import Mapping

from jobserver.core.lifetimes import MS_PER_MINUTE

BUCKETS_PER_DOUBLING = 4  # each bucket is 19 % wider than the last one: the largest error of a quantile
LEAST_MINUTES = 1  # a worker can still renew its claim after a short network failure
NICE = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)

Counts = Mapping[int, int]  # bucket -> jobs


def bucket(ms: int) -> int:
    """Returns the bucket of a duration; 0: below a millisecond."""
    return math.floor(BUCKETS_PER_DOUBLING * math.log2(ms)) + 1 if ms >= 1 else 0


def upper_ms(number: int) -> float:
    """Returns the upper limit of a bucket in ms."""
    return math.pow(2, number / BUCKETS_PER_DOUBLING)


def quantile_ms(counts: Counts, share: float) -> float | None:
    """Returns the duration that this share of the jobs did not exceed; None without jobs."""
    total = sum(counts.values())
    if not total:
        return None
    target, below = share * total, 0
    for number, jobs in sorted(counts.items()):
        if below + jobs >= target:
            part = (target - below) / jobs
            low = upper_ms(number - 1) if number else 0.0
            return low + part * (upper_ms(number) - low)
        below += jobs
    return upper_ms(max(counts))


def proposal_ms(counts: Counts) -> int | None:
    """Returns a lifetime in ms that 99 % of the jobs did not exceed, rounded up to a round number of minutes."""
    longest = quantile_ms(counts, 0.99)
    if longest is None:
        return None
    minutes = max(longest / MS_PER_MINUTE, LEAST_MINUTES)
    unit: float = 10.0 ** math.floor(math.log10(minutes))
    step = next(step for step in NICE if step * unit >= minutes * (1 - 1e-9))
    return round(step * unit * MS_PER_MINUTE)
