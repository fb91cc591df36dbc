"""A job list: its counters, its progress, and the filter and order of its jobs.

The progress is calculated from the counters, so its cost does not depend on the number of jobs.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from job_manager_wire import list_shapes
from jobserver.core import stages
from jobserver.core.errors import ListArchived, ListDeleted

STATES = ("available", "working", "done", "expired", "failed", "cancelled", "skipped")
SORTS = ("job", "stage", "since", "attempt", "priority", "worker")
MANY_STAGES = 200


class JobList(NamedTuple):
    """A list: the id of its row and its public name. `archived` and `deleted`: 0 if it is not; they may have changed
    since the row was read."""

    id: int
    name: str
    archived: int = 0
    deleted: int = 0

    def require_active(self) -> None:
        """Raises ListDeleted or ListArchived if the list may not be changed."""
        self.require_not_deleted()
        if self.archived:
            raise ListArchived(f"The list {self.name} is archived: restore it first. Nothing was changed.")

    def require_not_deleted(self) -> None:
        """Raises ListDeleted if the list is deleted."""
        if self.deleted:
            raise ListDeleted("The list of this jobix was deleted. Choose a new jobix for a new list.")


class Count(NamedTuple):
    """The counters of one stage. `flagged`: overdue or ended jobs; `ended`: failed or cancelled ones."""

    jobs: int
    flagged: int
    ended: int
    cancelled: int

    @property
    def failed(self) -> int:
        """Jobs that have failed."""
        return self.ended - self.cancelled

    @property
    def expired(self) -> int:
        """Overdue jobs."""
        return self.flagged - self.ended

    def as_response(self) -> list_shapes.StageCounts:
        """Returns the JSON for programs."""
        response: list_shapes.StageCounts = {"jobs": self.jobs, "flagged": self.flagged, "failed": self.failed}
        if self.cancelled:
            response["cancelled"] = self.cancelled
        return response


@dataclass(frozen=True)
class Filter:
    """A job matches if all conditions that are not None hold. `text`: in jobcmd, path or name, in any case (a to z)."""

    stage: int | None = None
    state: str | None = None
    worker: str | None = None
    jobid: int | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return self != Filter()


class Sort(NamedTuple):
    """The order: `by` is one of SORTS; `down`: descending."""

    by: str
    down: bool = False


@dataclass(frozen=True)
class Progress:
    """The progress of a list. `flagged` counts failed and cancelled jobs too. Each job is available, working (odd
    stage), done (last stage or above), failed or cancelled."""

    name: str
    last_stage: int
    stages: dict[int, Count]
    archived: bool = False

    def _jobs(self, parity: int, below: int) -> int:
        return sum(
            count.jobs - count.ended for stage, count in self.stages.items() if stage % 2 == parity and stage < below
        )

    @cached_property
    def jobs(self) -> int:
        """The number of all jobs."""
        return sum(count.jobs for count in self.stages.values())

    @cached_property
    def working(self) -> int:
        """Jobs in odd stages that have neither failed nor been cancelled."""
        return self._jobs(1, stages.MAX_STAGE + 1)

    @cached_property
    def available(self) -> int:
        """Jobs in even stages below the last."""
        return self._jobs(0, self.last_stage)

    @cached_property
    def waiting(self) -> int:
        """Jobs in even stages below the last that are neither overdue nor failed."""
        return sum(
            count.jobs - count.flagged
            for stage, count in self.stages.items()
            if stage % 2 == 0 and stage < self.last_stage
        )

    @cached_property
    def expired(self) -> int:
        """Overdue jobs below the last stage. Waiting, in time, expired, failed, cancelled and done add up to all
        jobs."""
        return self.jobs - self.waiting - self.in_time - self.ended - self.done

    @cached_property
    def in_time(self) -> int:
        """Jobs in odd stages that are not overdue."""
        return sum(count.jobs - count.flagged for stage, count in self.stages.items() if stage % 2)

    @cached_property
    def done(self) -> int:
        """Jobs in the last stage or above it."""
        return self.jobs - self.working - self.available - self.ended

    @cached_property
    def flagged(self) -> int:
        """Jobs that are overdue, failed or cancelled."""
        return sum(count.flagged for count in self.stages.values())

    @cached_property
    def failed(self) -> int:
        """Jobs that have failed."""
        return sum(count.failed for count in self.stages.values())

    @cached_property
    def cancelled(self) -> int:
        """Jobs that were cancelled."""
        return sum(count.cancelled for count in self.stages.values())

    @property
    def ended(self) -> int:
        """Jobs that have failed or were cancelled: only a person can make them available again."""
        return self.failed + self.cancelled

    @property
    def percent(self) -> float:
        """Percent done, with one decimal, rounded down: 100: all jobs are done."""
        return self.done * 1000 // self.jobs / 10 if self.jobs else 0.0

    def left(self) -> dict[int, int]:
        """Returns the number of jobs that still need each working stage, without failed and cancelled jobs."""
        is_sparse = self.last_stage > MANY_STAGES  # a list may have stage numbers in the thousands
        odd = {stage for stage in self.stages if stage % 2} if is_sparse else set(range(1, self.last_stage, 2))
        left: dict[int, int] = {}
        jobs, below = 0, sorted(self.stages.items(), reverse=True)
        for stage in sorted(odd):
            while below and below[-1][0] <= stage:
                count = below.pop()[1]
                jobs += count.jobs - count.ended
            if stage < self.last_stage:
                left[stage] = jobs
        return left

    def as_response(self) -> list_shapes.ListProgress:
        """Returns the JSON for programs."""
        response: list_shapes.ListProgress = {
            "list": self.name, "last_stage": self.last_stage, "jobs": self.jobs, "done": self.done,
            "percent": self.percent, "available": self.available, "working": self.working, "flagged": self.flagged,
            "failed": self.failed,
            "stages": {str(stage): count.as_response() for stage, count in self.stages.items()},
        }  # fmt: skip
        if self.cancelled:
            response["cancelled"] = self.cancelled
        if self.archived:
            response["archived"] = True
        return response
