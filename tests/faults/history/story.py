"""The requests of workers and their responses: submissions, grants, ends of claims, heartbeats."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.faults.history.final import Ended

ACCEPTED = 200
UNSURE = ("outcome_unknown", "internal_error")
REPORTED = ("completed", "released")  # events that a worker must have reported


@dataclass(frozen=True)
class Request:
    """One request. `at`, `answered_at`: seconds of the monotonic clock; answered_at None: no response."""

    who: str
    at: float
    answered_at: float | None = None
    status: int | None = None
    code: str | None = None  # the error code

    @property
    def accepted(self) -> bool:
        """Whether the response was a success."""
        return self.status == ACCEPTED

    @property
    def refused(self) -> bool:
        """Whether the response was a refusal. An unknown outcome is neither accepted nor refused."""
        return self.status is not None and not self.accepted and self.code not in UNSURE


@dataclass(frozen=True)
class Submission(Request):
    """Jobs that were sent, with their jobcmds."""

    jobs: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant(Request):
    """A claim in a response. `at`: the first request for it with this token."""

    job: int = 0
    claim: str = ""
    stage: int = 0  # the stage it was claimed from
    attempt: int = 1
    deadline: int = 0  # ms
    jobcmd: Any = None


@dataclass(frozen=True)
class End(Request):
    """A report. `claim` None: by a founding worker. `said`: the body."""

    job: int = 0
    claim: str | None = None
    to: int = 0
    said: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Beat(Request):
    """A heartbeat for one claim. `state`: from the response, if there was one."""

    job: int = 0
    claim: str = ""
    state: str | None = None
    deadline: int = 0  # ms


@dataclass
class Story:
    """All requests of a run. `steady`: to one server with an unmoved clock. `once`: the network repeated no request, so
    a response has all effects of its request. `unsure`: tokens with a request that got no response."""

    submissions: list[Submission] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    client_tokens: dict[str, int] = field(default_factory=dict)  # client token: the requested number of jobs
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
        """By job and claim: each response with this claim."""
        found: dict[tuple[int, str], list[Grant]] = defaultdict(list)
        for grant in self.grants:
            found[grant.job, grant.claim].append(grant)
        return found

    def causes(self, one: Ended) -> list[End]:
        """The reports that may have ended a claim: those with its token, and, unless it has a client token, those of
        founding workers, which have no token. Empty if the claim was lost."""
        if one.kind not in REPORTED:
            return []
        own = one.claim in self.client_tokens
        return [
            end
            for end in self._reports.get(one.job, [])
            if end.to == one.to and (end.claim == one.claim or (end.claim is None and not own))
        ]

    def clock(self, at: float | None) -> str:
        """Formats a time as seconds since the start of the run."""
        return "never" if at is None else f"{at - self.begun:.3f} s"
