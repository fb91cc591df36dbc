"""How far a list is: from the counters alone, so that it costs the same for ten jobs and ten million."""

from dataclasses import dataclass
from functools import cached_property

from job_manager_wire import shapes
from jobserver.core import stages
from jobserver.core.lists import Count

MANY_STAGES = 200


@dataclass(frozen=True)
class Progress:
    """How far a list is. `flagged` counts failed jobs too. Each job is available, working (in an odd stage), done (in
    the last stage, or above) or failed."""

    name: str
    last_stage: int
    stages: dict[int, Count]

    def _jobs(self, parity: int, below: int) -> int:
        return sum(
            count.jobs - count.failed for stage, count in self.stages.items() if stage % 2 == parity and stage < below
        )

    @cached_property
    def jobs(self) -> int:
        """All of them."""
        return sum(count.jobs for count in self.stages.values())

    @cached_property
    def working(self) -> int:
        """In odd stages, and not failed."""
        return self._jobs(1, stages.MAX_STAGE + 1)

    @cached_property
    def available(self) -> int:
        """In even stages below the last."""
        return self._jobs(0, self.last_stage)

    @cached_property
    def waiting(self) -> int:
        """In even stages below the last, and neither overdue nor failed."""
        return sum(
            count.jobs - count.flagged
            for stage, count in self.stages.items()
            if stage % 2 == 0 and stage < self.last_stage
        )

    @cached_property
    def expired(self) -> int:
        """Overdue below the last stage. Waiting, in time, expired, failed and done add up to all jobs."""
        return self.jobs - self.waiting - self.in_time - self.failed - self.done

    @cached_property
    def in_time(self) -> int:
        """In odd stages, and not overdue."""
        return sum(count.jobs - count.flagged for stage, count in self.stages.items() if stage % 2)

    @cached_property
    def done(self) -> int:
        """In the last stage, or above it."""
        return self.jobs - self.working - self.available - self.failed

    @cached_property
    def flagged(self) -> int:
        """Overdue or failed."""
        return sum(count.flagged for count in self.stages.values())

    @cached_property
    def failed(self) -> int:
        """Given up."""
        return sum(count.failed for count in self.stages.values())

    @property
    def percent(self) -> float:
        """Percent done, with one decimal, rounded down: 100 is all of them."""
        return self.done * 1000 // self.jobs / 10 if self.jobs else 0.0

    def left(self) -> dict[int, int]:
        """By working stage: how many jobs have still to go through it. Failed ones will not."""
        far = self.last_stage > MANY_STAGES  # a list may number its stages by thousands
        odd = {stage for stage in self.stages if stage % 2} if far else set(range(1, self.last_stage, 2))
        left: dict[int, int] = {}
        jobs, below = 0, sorted(self.stages.items(), reverse=True)
        for stage in sorted(odd):
            while below and below[-1][0] <= stage:
                count = below.pop()[1]
                jobs += count.jobs - count.failed
            if stage < self.last_stage:
                left[stage] = jobs
        return left

    def as_answer(self) -> shapes.ListProgress:
        """What programs are told."""
        return {
            "list": self.name, "last_stage": self.last_stage, "jobs": self.jobs, "done": self.done,
            "percent": self.percent, "available": self.available, "working": self.working, "flagged": self.flagged,
            "failed": self.failed,
            "stages": {
                str(stage): {"jobs": count.jobs, "flagged": count.flagged, "failed": count.failed}
                for stage, count in self.stages.items()
            },
        }  # fmt: skip
