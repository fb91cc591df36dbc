"""Lifetimes and deadlines, and the histograms of job durations from which a lifetime is proposed.

Pure: the caller passes `now`. Times are whole milliseconds since 1970, UTC. Each bucket of a histogram is wider than
the last one by a constant factor.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from job_manager_wire import list_shapes
from jobserver.core.errors import BadRequest
from jobserver.core.stages import require_lower

MS_PER_MINUTE = 60_000
MS_PER_S = 1000
MAX_BACKOFF_MS = 300_000
MAX_RETRY_S = 365 * 24 * 3600
_EPOCH = datetime(1970, 1, 1)
MAX_MINUTES = 100 * 365 * 24 * 60
DEFAULT_MAX_ATTEMPTS = 5
MAX_ATTEMPTS = 1_000_000
UNCHANGED = -1

BUCKETS_PER_DOUBLING = 4  # each bucket is 19 % wider than the last one: the largest error of a quantile
LEAST_MINUTES = 1  # a worker can still renew its claim after a short network failure
ROUND_STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)

Counts = Mapping[int, int]  # bucket -> jobs


@dataclass(frozen=True)
class Lifetime:
    """The longest time that jobs may stay in one stage. `lifetime_ms` 0: no limit; `requeue` None: expired jobs are
    flagged and stay. `backoff_ms`: the pause after the first failure of a job. `retry_for_ms`: the time after the first
    failure in which a job is retried, 0: no limit."""

    stage: int
    lifetime_ms: int = 0
    requeue: int | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    backoff_ms: int = 0
    retry_for_ms: int = 0

    def as_response(self) -> list_shapes.StageLifetime:
        """Returns the response of `/lifetime/<stage>`; the settings of retries only if they are set."""
        response: list_shapes.StageLifetime = {
            "stage": self.stage,
            "minutes": minutes(self.lifetime_ms),
            "requeue": self.requeue,
            "max_attempts": self.max_attempts,
        }
        if self.backoff_ms:
            response["backoff_s"] = self.backoff_ms / MS_PER_S
        if self.retry_for_ms:
            response["retry_for_s"] = self.retry_for_ms / MS_PER_S
        return response


@dataclass(frozen=True)
class LifetimeChange:
    """New values of a lifetime. UNCHANGED and None keep the stored value."""

    lifetime_ms: int
    requeue: int | None = UNCHANGED
    max_attempts: int | None = None
    backoff_ms: int | None = None
    retry_for_ms: int | None = None

    def apply(self, before: Lifetime) -> Lifetime:
        """Returns the lifetime after the change."""
        return Lifetime(
            before.stage,
            self.lifetime_ms,
            before.requeue if self.requeue == UNCHANGED else self.requeue,
            before.max_attempts if self.max_attempts is None else self.max_attempts,
            before.backoff_ms if self.backoff_ms is None else self.backoff_ms,
            before.retry_for_ms if self.retry_for_ms is None else self.retry_for_ms,
        )


def minutes(lifetime_ms: int) -> int | float:
    """Converts ms to minutes; whole minutes are an int: 10, not 10.0."""
    value = lifetime_ms / MS_PER_MINUTE
    return int(value) if value.is_integer() else value


def number(text: str) -> float:
    """Parses a decimal number from a URL; NaN for any other text, so that no range contains it."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def milliseconds(text: str) -> int:
    """Parses a lifetime in minutes from a URL; returns ms. A value above 0 stays above 0."""
    value = number(text)
    if not 0 <= value <= MAX_MINUTES:
        raise BadRequest(f"A lifetime is a number of minutes from 0 (no limit) to {MAX_MINUTES}, not {text[:40]!r}.")
    return max(1, round(value * MS_PER_MINUTE)) if value else 0


def pause_ms(backoff_ms: int, failures: int, jitter: float) -> int:
    """Returns the pause before the next attempt of a job that failed so often: `backoff_ms`, doubled with each further
    failure, at most MAX_BACKOFF_MS or ten times the first pause. `jitter`, 0 to 1, shortens it by up to a half."""
    longest = max(MAX_BACKOFF_MS, 10 * backoff_ms)
    return round(min(backoff_ms << min(failures - 1, 30), longest) * (1 - jitter / 2))


def seconds(text: str, name: str) -> int:
    """Parses a number of seconds from a URL; returns ms. `name`: of the parameter, for the error."""
    value = number(text)
    if not 0 <= value <= MAX_RETRY_S:
        raise BadRequest(f"{name} is a number of seconds from 0 to {MAX_RETRY_S}, not {text[:40]!r}.")
    return round(value * MS_PER_S)


def from_init(values: list[str]) -> list[Lifetime]:
    """Parses the lifetimes of `/init/<m0>/<m1>/…`. An even number of values omits the last stage, which gets 0."""
    lifetimes = [Lifetime(stage, milliseconds(value)) for stage, value in enumerate(values)]
    if lifetimes and len(lifetimes) % 2 == 0:
        lifetimes.append(Lifetime(len(lifetimes)))
    return lifetimes


def requeue_stage(stage: int, text: str) -> int | None:
    """Parses the `requeue` of a stage from a URL; an empty text removes it."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadRequest(f"requeue is an even stage below {stage}, or empty; not {text[:40]!r}.")
    return require_lower(stage, int(text))


@lru_cache(1024)  # jobs of a batch have the same deadline
def timestamp(ms: int | None) -> str | None:
    """Formats a time as ISO 8601, UTC, with milliseconds: 2026-11-20T21:03:43.120Z; None stays None."""
    if ms is None:
        return None
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"


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
    longest_minutes = max(longest / MS_PER_MINUTE, LEAST_MINUTES)
    unit: float = 10.0 ** math.floor(math.log10(longest_minutes))
    step = next(step for step in ROUND_STEPS if step * unit >= longest_minutes * (1 - 1e-9))
    return round(step * unit * MS_PER_MINUTE)
