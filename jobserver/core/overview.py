"""The overview of a list: counters, rates, time left, durations, workers."""

from dataclasses import dataclass
from typing import Any

from jobserver.core import durations
from jobserver.core.estimate import Estimate
from jobserver.core.lifetimes import Lifetime
from jobserver.core.lists import Progress


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

    def as_answer(self) -> dict[str, Any]:
        """Returns the JSON for pages and programs. Times in ms."""
        return self.progress.as_answer() | {
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


def paces(took: dict[int, dict[int, int]], lifetimes: dict[int, Lifetime], expired: dict[int, int]) -> list[Pace]:
    """Returns the durations by working stage."""
    rows = []
    for stage in sorted(took):
        median, most = durations.quantile_ms(took[stage], 0.5), durations.quantile_ms(took[stage], 0.95)
        assert median is not None
        assert most is not None
        lifetime_ms = lifetimes.get(stage, Lifetime(stage)).lifetime_ms
        rows.append(Pace(stage, sum(took[stage].values()), median, most, lifetime_ms, expired.get(stage, 0)))
    return rows


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)
