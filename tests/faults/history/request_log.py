"""The requests of workers and their responses: submissions, grants, reports, heartbeats."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.faults.history.final import ClaimEnd

ACCEPTED = 200
UNKNOWN_OUTCOMES = ("outcome_unknown", "internal_error")


@dataclass(frozen=True)
class Request:
    """One request. `at`, `answered_at`: seconds of the monotonic clock; answered_at None: no response."""

    worker: str
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
        return self.status is not None and not self.accepted and self.code not in UNKNOWN_OUTCOMES


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
    lease_ms: int = 0  # 0: none
    time_limit: int = 0  # ms; 0: none


@dataclass(frozen=True)
class Report(Request):
    """A report. `claim` None: by a founding worker. `left_in`: the stage of the job after it, from the response."""

    job: int = 0
    claim: str | None = None
    to: int = 0
    left_in: int | None = None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Heartbeat(Request):
    """A heartbeat for one claim. `state`: from the response, if there was one."""

    job: int = 0
    claim: str = ""
    state: str | None = None
    deadline: int = 0  # ms


@dataclass(frozen=True)
class Outage:
    """A time when no server ran. `at`: of the monotonic clock; start_ms, end_ms: of the wall clock."""

    at: float
    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """How long it lasted."""
        return self.end_ms - self.start_ms


@dataclass
class RequestLog:
    """All requests of a run. `one_clock`: there is one server, and its clock was not moved. `no_repeats`: the network
    repeated no request, so a response shows all effects of its request. `uncertain_tokens`: those of requests without a
    response."""

    submissions: list[Submission] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    client_tokens: dict[str, int] = field(default_factory=dict)  # client token: the requested number of jobs
    uncertain_tokens: set[str] = field(default_factory=set)
    requests: int = 0
    acknowledged: int = 0
    start_s: float = 0
    one_clock: bool = False
    no_repeats: bool = False
    cancels: set[tuple[int, str]] = field(default_factory=set)  # requested: job, claim
    cancelled_jobs: set[int] = field(default_factory=set)  # requested, whatever their claim
    outages: list[Outage] = field(default_factory=list)

    @cached_property
    def _reports_by_job(self) -> dict[int, list[Report]]:
        by_job: dict[int, list[Report]] = defaultdict(list)
        for report in self.reports:
            by_job[report.job].append(report)
        return by_job

    @cached_property
    def granted(self) -> dict[tuple[int, str], list[Grant]]:
        """By job and claim: each response with this claim."""
        by_claim: dict[tuple[int, str], list[Grant]] = defaultdict(list)
        for grant in self.grants:
            by_claim[grant.job, grant.claim].append(grant)
        return by_claim

    def reports_of(self, job: int) -> list[Report]:
        """The reports of a job."""
        return self._reports_by_job.get(job, [])

    def possible_reports(self, end: ClaimEnd) -> list[Report]:
        """The reports that may have ended a claim: those with its token, and, unless it has a client token, those of
        founding workers, which have no token. Empty if the claim was lost."""
        if not end.is_reported:
            return []
        has_client_token = end.claim in self.client_tokens
        return [
            report
            for report in self._reports_by_job.get(end.job, [])
            if _may_lead_to(report, end)
            and (report.claim == end.claim or (report.claim is None and not has_client_token))
        ]

    def clock(self, at: float | None) -> str:
        """Formats a time as seconds since the start of the run."""
        return "never" if at is None else f"{at - self.start_s:.3f} s"


def _may_lead_to(report: Report, end: ClaimEnd) -> bool:
    """Whether the end of the claim is what the report requests: a failed attempt may be the last one, and the rules of
    a stage may return a job that was reported as done."""
    if not end.is_accepted:
        return report.to == end.stage + 1
    return report.to < end.stage if end.has_failed else report.to == end.to
