"""What the server answers, a class a kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from .job import Job


@dataclass(frozen=True)
class SetAnswer:
    """How many jobs of a set were new, and how many the list knew (they were left alone)."""

    new: int
    known: int


@dataclass(frozen=True)
class UpdateAnswer:
    """Where a job is now. failed: it used up its attempts and stays, flagged. next: the job claimed along with it."""

    jobid: int
    jobstage: int
    failed: bool
    message: str
    next: Job | None


class Outcome(NamedTuple):
    """What became of one report of many. status: as of HTTP; jobstage is None and error is set unless it is 200."""

    jobid: int
    status: int
    message: str
    jobstage: int | None = None
    failed: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Renewed:
    """A claim after a heartbeat. state: held, lost or cancel; lifetime_s: seconds left, None for ever."""

    jobid: int
    state: str
    deadline: datetime | None
    lifetime_s: float | None


@dataclass(frozen=True)
class StagesAnswer:
    """ok: no job is flagged. flagged: how many are; degraded: how many were moved back."""

    ok: bool
    flagged: int
    degraded: int


@dataclass(frozen=True)
class Lifetime:
    """A stage's lifetime. minutes: 0 is for ever; requeue: the even stage for expired jobs; max_attempts: 0 unbound."""

    stage: int
    minutes: float
    requeue: int | None
    max_attempts: int


@dataclass(frozen=True)
class StageCount:
    """Jobs in one stage; flagged includes failed."""

    jobs: int
    flagged: int
    failed: int


@dataclass(frozen=True)
class Progress:
    """A whole list, counted. name: its public one; done: jobs in the last stage; flagged includes failed."""

    name: str
    last_stage: int
    jobs: int
    done: int
    percent: float
    available: int
    working: int
    flagged: int
    failed: int
    stages: dict[int, StageCount]
