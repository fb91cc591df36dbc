"""What workers asked and were told, taken apart: submissions, grants, ends of claims, heartbeats."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.faults.history.final import Ended

ACCEPTED = 200
UNSURE = ("outcome_unknown", "internal_error")
REPORTED = ("completed", "released")  # events that a worker must have reported


@dataclass(frozen=True)
class Asked:
    """One request. `at`, `told_at`: seconds of the monotonic clock; told_at None: no answer came."""

    who: str
    at: float
    told_at: float | None = None
    status: int | None = None
    code: str | None = None  # of an error

    @property
    def accepted(self) -> bool:
        """Whether it was told to be done."""
        return self.status == ACCEPTED

    @property
    def refused(self) -> bool:
        """Whether it was told not to be done; neither, where nobody knows."""
        return self.status is not None and not self.accepted and self.code not in UNSURE


@dataclass(frozen=True)
class Submission(Asked):
    """Jobs that were sent, with their jobcmds."""

    jobs: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant(Asked):
    """A job that a worker was told that it holds. `at`: when it was first asked for under this token."""

    job: int = 0
    claim: str = ""
    stage: int = 0  # from which it was taken
    attempt: int = 1
    deadline: int = 0  # ms
    jobcmd: Any = None


@dataclass(frozen=True)
class End(Asked):
    """A report. `claim` None: by a founding worker. `said`: what was reported."""

    job: int = 0
    claim: str | None = None
    to: int = 0
    said: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Beat(Asked):
    """A heartbeat for one claim. `state`: what was answered, if anything was."""

    job: int = 0
    claim: str = ""
    state: str | None = None
    deadline: int = 0  # ms


@dataclass
class Story:
    """Everything that was asked. `steady`: of one server, whose clock nobody moved. `once`: nothing was sent twice on
    the way, so that an answer tells of all that a request did. `unsure`: tokens whose requests did not all get one."""

    submissions: list[Submission] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    wishes: dict[str, int] = field(default_factory=dict)  # tokens that workers chose: for how many jobs
    unsure: set[str] = field(default_factory=set)
    requests: int = 0
    acknowledged: int = 0
    begun: float = 0
    steady: bool = False
    once: bool = False

    @cached_property
    def _reports(self) -> dict[int, list[End]]:
        found: dict[int, list[End]] = defaultdict(list)
        for end in self.ends:
            found[end.job].append(end)
        return found

    @cached_property
    def granted(self) -> dict[tuple[int, str], list[Grant]]:
        """By job and claim: each time that a worker was told of it."""
        found: dict[tuple[int, str], list[Grant]] = defaultdict(list)
        for grant in self.grants:
            found[grant.job, grant.claim].append(grant)
        return found

    def causes(self, one: Ended) -> list[End]:
        """The reports that may have ended a claim as it ended: those that prove it; and those of founding workers,
        which prove nothing, where the claim's token was not its worker's own. None if it was lost."""
        if one.kind not in REPORTED:
            return []
        own = one.claim in self.wishes
        return [
            end
            for end in self._reports.get(one.job, [])
            if end.to == one.to and (end.claim == one.claim or (end.claim is None and not own))
        ]

    def clock(self, at: float | None) -> str:
        """A moment, from the run's beginning."""
        return "never" if at is None else f"{at - self.begun:.3f} s"
