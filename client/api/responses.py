"""What the server responds, as the client returns it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from .types import Job

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes


@dataclass(frozen=True)
class SetResponse:
    """The jobs of a set: how many were new, and how many the list had already; these were not changed. different: how
    many of the known jobs were submitted with a different jobcmd before; different_jobs: names or ids of up to five."""

    new: int
    known: int
    different: int = 0
    different_jobs: tuple[int | str, ...] = ()

    def __add__(self, other: SetResponse) -> SetResponse:
        """The response of both requests together."""
        return SetResponse(
            self.new + other.new,
            self.known + other.known,
            self.different + other.different,
            (self.different_jobs + other.different_jobs)[:5],
        )


@dataclass(frozen=True)
class UpdateResponse:
    """Where a job is now. failed: it has no attempts left and stays, flagged. next: the job claimed with the update."""

    jobid: int
    jobstage: int
    failed: bool
    message: str
    next: Job | None


class Outcome(NamedTuple):
    """The outcome of one report of many. status: as of HTTP; if it is not 200, jobstage is None and error is set.
    replaced: the agreeing result of another host was accepted."""

    jobid: int
    status: int
    message: str
    jobstage: int | None = None
    failed: bool = False
    error: str | None = None
    replaced: bool = False


@dataclass(frozen=True)
class Rules:
    """The rules of a working stage, as in docs/protocol.md; None: there is no such rule. set_aside: hosts whose jobs
    fail get no jobs."""

    stage: int
    check: shapes.Check | None
    replication: shapes.Replication | None
    set_aside: bool = False


@dataclass(frozen=True)
class Renewed:
    """A claim after a heartbeat. state: held, lost or cancel; lifetime_s: seconds left, None: no limit.

    unclaimed: the claim was lost, but nobody has claimed the job since: its result would be accepted.
    """

    jobid: int
    state: str
    deadline: datetime | None
    lifetime_s: float | None
    unclaimed: bool = False


@dataclass(frozen=True)
class CheckResponse:
    """ok: no job is flagged. flagged: how many are; degraded: how many were moved back."""

    ok: bool
    flagged: int
    degraded: int


@dataclass(frozen=True)
class Lifetime:
    """The lifetime of a stage. minutes: 0 is no limit; requeue: the even stage that expired jobs return to;
    max_attempts: 0 is no limit. backoff_s: the pause after the first failure of a job, doubled with each failure.
    retry_for_s: the time since the first failure after which the next failure is final; 0 is no limit."""

    stage: int
    minutes: float
    requeue: int | None
    max_attempts: int
    backoff_s: float = 0.0
    retry_for_s: float = 0.0


@dataclass(frozen=True)
class Refusal:
    """A job that an operator's action did not change. status: as of HTTP."""

    jobid: int
    status: int
    message: str


@dataclass(frozen=True)
class JobChanges:
    """The result of an operator's action. jobs: the number of changed jobs; requested: running jobs whose worker must
    stop; refused: the jobs of the request that were not changed."""

    jobs: int
    requested: int
    refused: list[Refusal]


@dataclass(frozen=True)
class StageCount:
    """The jobs of one stage; flagged includes failed and cancelled ones."""

    jobs: int
    flagged: int
    failed: int
    cancelled: int = 0

    @property
    def expired(self) -> int:
        """Jobs whose lifetime is over."""
        return self.flagged - self.failed - self.cancelled


@dataclass(frozen=True)
class Progress:
    """The counts of a whole list. name: its public name; done: jobs in the last stage; flagged includes failed and
    cancelled ones."""

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
    archived: bool = False
    cancelled: int = 0
