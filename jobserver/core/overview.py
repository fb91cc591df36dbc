"""The overview of a list: counters, rate, time left, durations, workers. The caller passes the time as `now`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobserver.core.lifetimes import MS_PER_MINUTE, Lifetime, quantile_ms
from jobserver.core.lists import Progress

RECENT_MS = 5 * MS_PER_MINUTE
WINDOWS_MS = (2 * MS_PER_MINUTE, 5 * MS_PER_MINUTE, 20 * MS_PER_MINUTE)
STALLED_MS = 10 * MS_PER_MINUTE
LEAST_MS = 10_000  # the shortest span from which a rate is calculated


class Slot(NamedTuple):
    """Jobs completed in a working stage within a slot of time. `start` in ms; `busy_ms`: the sum of their durations."""

    start: int
    stage: int
    jobs: int
    busy_ms: int


@dataclass(frozen=True)
class Estimate:
    """`now` and `average`: completed stages per minute; None: too few data. The time left is between `least_ms` and
    `most_ms`; None: unknown. `stalled`: jobs are left, and none has moved for a while."""

    now: float | None
    average: float | None
    least_ms: int | None
    most_ms: int | None
    stalled: bool


@dataclass(frozen=True)
class Pace:
    """The durations of jobs in one working stage, in ms, and its lifetime (0: no limit)."""

    stage: int
    jobs: int
    median_ms: float
    most_ms: float  # the 95th percentile
    lifetime_ms: int
    expired: int


@dataclass(frozen=True)
class Overview:
    """One list at one moment. `workers`: the number of workers that hold a job."""

    progress: Progress
    estimate: Estimate
    paces: list[Pace]
    workers: int
    paused: bool

    def as_response(self) -> dict[str, Any]:
        """Returns the JSON for pages and programs. Times in ms."""
        return self.progress.as_response() | {
            "paused": self.paused,
            "workers": self.workers,
            "rate": {"now": _rounded(self.estimate.now), "average": _rounded(self.estimate.average)},
            "left_ms": None if self.estimate.least_ms is None else [self.estimate.least_ms, self.estimate.most_ms],
            "stalled": self.estimate.stalled,
            "paces": [
                {
                    "stage": pace.stage, "jobs": pace.jobs, "median_ms": round(pace.median_ms),
                    "most_ms": round(pace.most_ms), "lifetime_ms": pace.lifetime_ms, "expired": pace.expired,
                }
                for pace in self.paces
            ],
        }  # fmt: skip


def estimate(
    slots: Sequence[Slot], left: Mapping[int, int], first: int | None, last: int | None, total: int, now: int
) -> Estimate:
    """Estimates rate and time left of a list.

    slots: of the last 20 minutes at least, in any order. left: the number of jobs that still need each working stage.
    first, last: the times (ms) of the first and the latest completion; total: the number of completions.
    """
    remaining = sum(left.values())
    if first is None or last is None:
        return Estimate(None, None, None, None, False)
    if not remaining:
        return Estimate(None, _a_minute(total, last - first + LEAST_MS), 0, 0, False)
    average = _a_minute(total, now - first)
    if now - last > max(STALLED_MS, 20 * (last - first) / max(1, total)):
        return Estimate(0.0, average, None, None, True)
    spans = [span for span in (_left_ms(slots, left, first, window, now) for window in WINDOWS_MS) if span is not None]
    if average and now - first >= LEAST_MS:
        spans.append(remaining / average * MS_PER_MINUTE)
    recent = [slot for slot in slots if slot.start > now - RECENT_MS]
    rate = _a_minute(sum(slot.jobs for slot in recent), min(RECENT_MS, now - first))
    if not spans:
        return Estimate(rate, average, None, None, False)
    return Estimate(rate, average, round(min(spans) * 0.95), round(max(spans) * 1.05), False)


def paces(took: dict[int, dict[int, int]], lifetimes: dict[int, Lifetime], expired: dict[int, int]) -> list[Pace]:
    """Returns the durations by working stage."""
    rows = []
    for stage in sorted(took):
        median, most = quantile_ms(took[stage], 0.5), quantile_ms(took[stage], 0.95)
        assert median is not None
        assert most is not None
        lifetime_ms = lifetimes.get(stage, Lifetime(stage)).lifetime_ms
        rows.append(Pace(stage, sum(took[stage].values()), median, most, lifetime_ms, expired.get(stage, 0)))
    return rows


def _left_ms(slots: Sequence[Slot], left: Mapping[int, int], first: int, window_ms: int, now: int) -> float | None:
    """The time left at the rate of the window. Each remaining job counts with the mean duration of its stage."""
    start = max(first, now - window_ms)
    seen = [slot for slot in slots if slot.start + LEAST_MS > start]
    jobs = sum(slot.jobs for slot in seen)
    if jobs == 0 or now - start < LEAST_MS:
        return None
    mean = max(1.0, sum(slot.busy_ms for slot in seen) / jobs)
    finished, busy_ms = Counter[int](), Counter[int]()
    for slot in slots:
        finished[slot.stage] += slot.jobs
        busy_ms[slot.stage] += slot.busy_ms
    work = sum(
        number * (max(1.0, busy_ms[stage] / finished[stage]) if finished[stage] else mean)
        for stage, number in left.items()
    )
    return work * (now - start) / (mean * jobs)


def _a_minute(jobs: int, span_ms: int) -> float | None:
    return jobs * MS_PER_MINUTE / span_ms if span_ms >= LEAST_MS else None


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)
