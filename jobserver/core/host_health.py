"""When a host is set aside: its jobs fail or end suspiciously fast, and those of other hosts do not.

Pure: the caller passes `now`. Times are whole milliseconds since 1970, UTC. A host that is set aside gets no jobs.
After a pause it gets one job as a canary; a canary that ends well readmits it.
"""

from collections.abc import Mapping, Set
from enum import Enum
from typing import NamedTuple

from jobserver.core.lifetimes import MS_PER_MINUTE, Counts, quantile_ms

FAILURES_IN_A_ROW = 3  # of different jobs
FAST_IN_A_ROW = 5
FAST_SHARE = 0.1  # of the usual duration
LEAST_JOBS = 20  # from which a usual duration is calculated
LEAST_USUAL_MS = 1000  # the start of a process and the network dominate shorter durations
HEARD_WITHIN_MS = 10 * MS_PER_MINUTE
MANY_HOSTS = 3  # on which a job failed
LEAST_OTHERS = 2  # hosts that must remain
FIRST_PAUSE_MS = MS_PER_MINUTE
LONGEST_PAUSE_MS = 60 * MS_PER_MINUTE

FAILURES_REASON = f"{FAILURES_IN_A_ROW} failures in a row"
FAST_REASON = f"{FAST_IN_A_ROW} results in a row in less than a tenth of the usual time"


class HostHealth(NamedTuple):
    """What the server knows of a host in a stage. `failed_jobs`: the ids of the jobs that failed in a row. `fast`: the
    number of fast results in a row. `set_aside`: the time, None if the host gets jobs. `reason`: why it is set aside,
    or why it still gets jobs after a BREAKER. `canary_at`: the earliest time of the next canary. `canary`: the claim of
    the canary that the host holds. `canaries`: the number of canaries that failed. `kept`: the time of the last
    BREAKER."""

    host: str
    failed_jobs: tuple[int, ...] = ()
    fast: int = 0
    set_aside: int | None = None
    reason: str | None = None
    canary_at: int = 0
    canary: str | None = None
    canaries: int = 0
    kept: int | None = None

    @property
    def troubled(self) -> bool:
        """Whether the last attempt did not end well, or the host had no good result since a decision about it."""
        return self.reason is not None or bool(self.failed_jobs) or self.fast > 0

    def was_kept(self, now: int) -> bool:
        """Whether a BREAKER kept the host a short time ago."""
        return self.kept is not None and self.kept >= now - HEARD_WITHIN_MS

    def waits(self, now: int) -> bool:
        """Whether the host is set aside and, as far as is known, still requests jobs."""
        return self.set_aside is not None and self.canary_at >= now - HEARD_WITHIN_MS


class Others(NamedTuple):
    """The other hosts. `heard`: those that were heard recently; `troubled`: those of them that are troubled.
    `failed_jobs`: see blamed_jobs()."""

    heard: int
    troubled: int
    failed_jobs: Set[int] = frozenset()


class Verdict(Enum):
    """The decision about a host that gets jobs."""

    KEEP = "keep"
    SET_ASIDE = "set aside"
    BREAKER = "breaker"  # too many hosts have the same problem: the jobs or the server are to blame


class Admission(Enum):
    """What a host gets that requests jobs."""

    JOBS = "jobs"
    CANARY = "canary"  # one job
    NOTHING = "nothing"


def usual_ms(durations: Counts) -> float | None:
    """Returns the usual duration of a stage; None if there are too few jobs, or if they are too short to compare."""
    if sum(durations.values()) < LEAST_JOBS:
        return None
    median = quantile_ms(durations, 0.5)
    return median if median is not None and median >= LEAST_USUAL_MS else None


def is_fast(took_ms: int, usual: float | None) -> bool:
    """Returns whether a result came suspiciously fast."""
    return usual is not None and took_ms < usual * FAST_SHARE


def after_failure(health: HostHealth, jobid: int) -> HostHealth:
    """Adds a failed attempt. Several failures of the same job count once."""
    failed_jobs = health.failed_jobs if jobid in health.failed_jobs else (*health.failed_jobs, jobid)
    return health._replace(failed_jobs=failed_jobs, fast=0)


def after_success(health: HostHealth, took_ms: int, usual: float | None) -> HostHealth:
    """Adds a result, which ends a row of failures."""
    if is_fast(took_ms, usual):
        return health._replace(failed_jobs=(), fast=health.fast + 1)
    return health._replace(failed_jobs=(), fast=0, reason=None)


def is_suspicious(health: HostHealth) -> bool:
    """Returns whether the host needs a decision, for which the caller looks up the other hosts."""
    return len(health.failed_jobs) >= FAILURES_IN_A_ROW or health.fast >= FAST_IN_A_ROW


def blamed_jobs(failed_on: Mapping[int, Set[str]], troubled: Set[str]) -> set[int]:
    """Returns the jobs that are to blame for their failures themselves: they failed on another host that is not
    troubled, or on many other hosts. `failed_on`: the other hosts by job."""
    return {jobid for jobid, hosts in failed_on.items() if hosts - troubled or len(hosts) >= MANY_HOSTS}


def judge(health: HostHealth, others: Others, now: int) -> tuple[Verdict, HostHealth]:
    """Decides about a suspicious host; returns the decision and the new record. BREAKER ends the row."""
    own = tuple(jobid for jobid in health.failed_jobs if jobid not in others.failed_jobs)
    failing = len(own) >= FAILURES_IN_A_ROW
    if not failing and health.fast < FAST_IN_A_ROW:
        if len(health.failed_jobs) < FAILURES_IN_A_ROW:
            return Verdict.KEEP, health
        reason = f"{FAILURES_REASON}, but other hosts failed on the same jobs: check the jobs"
        return Verdict.BREAKER, health._replace(failed_jobs=own, reason=reason, kept=now)
    reason = FAILURES_REASON if failing else FAST_REASON
    remaining = others.heard - others.troubled
    if remaining < LEAST_OTHERS or 2 * remaining < others.heard + 1:
        reason = f"{reason}, but too few other hosts have good results: check the jobs and the server"
        return Verdict.BREAKER, health._replace(failed_jobs=(), fast=0, reason=reason, kept=now)
    return Verdict.SET_ASIDE, health._replace(
        failed_jobs=(), fast=0, set_aside=now, reason=reason, canary_at=now + FIRST_PAUSE_MS, canary=None, canaries=0
    )


def admission(health: HostHealth, now: int) -> Admission:
    """Decides what a host gets now. One canary at a time."""
    if health.set_aside is None:
        return Admission.JOBS
    return Admission.CANARY if health.canary is None and now >= health.canary_at else Admission.NOTHING


def after_bad_canary(health: HostHealth, now: int) -> HostHealth:
    """Doubles the pause until the next canary."""
    canaries = health.canaries + 1
    pause_ms = min(FIRST_PAUSE_MS * 2 ** min(canaries, 10), LONGEST_PAUSE_MS)
    return health._replace(canary=None, canaries=canaries, canary_at=now + pause_ms)


def readmitted(health: HostHealth) -> HostHealth:
    """Returns the record of a host that gets jobs again."""
    return HostHealth(health.host)
