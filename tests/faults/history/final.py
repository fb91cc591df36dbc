"""The final state of the database, read in one transaction, and of the pages."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_JOBS = "SELECT jobid, jobstage, claim, overdue, outcome, result, jobcmd FROM job"
_ENDS = """SELECT jobid, event.claim, from_stage, to_stage, kind, at, event.worker, message
    FROM event JOIN job ON job.id = event.job_id WHERE event.claim IS NOT NULL ORDER BY event.id"""
_STEPS = """SELECT jobid, kind, from_stage, to_stage, event.claim, message, event.worker
    FROM event JOIN job ON job.id = event.job_id ORDER BY event.id"""
_COUNTERS = "SELECT stage, jobs, flagged, failed - cancelled, expired, cancelled FROM stage_count"
_FINISHED = "SELECT stage, SUM(jobs) FROM throughput GROUP BY stage"
_MEASURED = "SELECT stage, SUM(jobs) FROM duration GROUP BY stage"
_WORKERS = "SELECT name, done, failures FROM worker"
_LATE = "SELECT jobid, late_result.claim, late_result.result FROM late_result JOIN job ON job.id = late_result.job_id"
_RULES = "SELECT stage, rules FROM lifetime WHERE rules IS NOT NULL"


LOST, EXPIRED, INTERRUPTED = "lost", "expired", "interrupted"  # messages of events
LATE_RESULT = "late result"  # the message of the event that gives a job back to its lost claim
NODE_ENDED = "the node ended"  # the error of an interrupted attempt
INVALID = "invalid: "  # the start of the message of a result that did not pass
BY_SWEEP = (LOST, EXPIRED)


@dataclass(frozen=True)
class Job:
    """The final state of one job."""

    stage: int
    claim: str | None = None
    overdue: int = 0
    outcome: str = "none"
    result: Any = None
    jobcmd: Any = None

    @property
    def flagged(self) -> bool:
        """Whether it is overdue, failed or cancelled."""
        return bool(self.overdue) or self.failed

    @property
    def failed(self) -> bool:
        """Whether it failed or was cancelled."""
        return self.outcome != "none"


@dataclass(frozen=True)
class ClaimEnd:
    """One event: how a claim ended. Times in ms of the server's clock."""

    job: int
    claim: str
    stage: int
    to: int
    kind: str
    ended_ms: int = 0
    worker: str | None = None
    message: str | None = None

    @property
    def by_sweep(self) -> bool:
        """Whether the lease or the lifetime was over."""
        return self.kind == "requeued" or (self.has_failed and self.message in BY_SWEEP)

    @property
    def has_failed(self) -> bool:
        """Whether the job failed or was cancelled with this attempt, and stayed in its stage."""
        return self.kind in ("failed", "cancelled")

    @property
    def is_invalid(self) -> bool:
        """Whether the result did not pass the check of the stage."""
        return self.message is not None and self.message.startswith(INVALID)

    @property
    def is_accepted(self) -> bool:
        """Whether the rules of the stage, if it has some, accepted the report."""
        return not self.is_invalid and self.kind != "inconclusive"

    def is_late(self, before: "ClaimEnd | None") -> bool:
        """Whether the same claim was lost before, and its result was accepted late."""
        return before is not None and before.claim == self.claim and before.message == LOST and before.by_sweep

    @property
    def is_reported(self) -> bool:
        """Whether a worker must have reported it."""
        return not self.by_sweep

    @property
    def counts_as_failed(self) -> bool:
        """Whether the attempt counts as failed."""
        if self.kind == "cancelled":
            return False
        return self.by_sweep or self.has_failed or (self.kind == "released" and is_failure(self.message))


class LateResult(NamedTuple):
    """A result of a lost claim that was kept for comparison."""

    job: int
    claim: str
    result: Any


class Step(NamedTuple):
    """One event of a job."""

    kind: str
    old: int
    new: int
    claim: str | None = None
    message: str | None = None
    worker: str | None = None


def is_failure(message: str | None) -> bool:
    """Whether this message of a released attempt is that of a failure."""
    return message not in (None, INTERRUPTED, NODE_ENDED)


@dataclass
class Final:
    """The final state. `pages`: each page's name and its numbers; `problems`: the findings of `db check`;
    `extended_to`: the latest ends of lifetimes, in ms, that servers gave after an outage."""

    jobs: dict[int, Job]
    claim_ends: list[ClaimEnd]
    counters: dict[int, tuple[int, int, int, int, int]]
    finished: dict[int, int] = field(default_factory=dict)
    measured: dict[int, int] = field(default_factory=dict)
    workers: dict[str, tuple[int, int]] = field(default_factory=dict)
    pages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    steps: dict[int, list[Step]] = field(default_factory=dict)  # the events of each job, in order
    late_results: list[LateResult] = field(default_factory=list)
    rules: dict[int, dict[str, Any]] = field(default_factory=dict)  # of each working stage that has some
    outputs: dict[tuple[int, int], str] = field(default_factory=dict)  # published: the content by job and working stage
    set_aside: set[tuple[int, str]] = field(default_factory=set)  # refused results that a client kept: job, claim
    undelivered: dict[str, int] = field(default_factory=dict)  # files of the outbox: the number of their reports
    extended_to: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths: dict[int, list[ClaimEnd]] = defaultdict(list)  # the claims of each job, in order
        for end in self.claim_ends:
            self.paths[end.job].append(end)


def read(connection: Any, postgresql: bool) -> Final:
    """Reads the current state of the database."""

    def rows(sql: str) -> list[Any]:
        return list(connection.execute(sql).fetchall())

    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if postgresql else "BEGIN")
    final = Final(
        {
            jobid: Job(stage, claim, overdue, outcome, result and json.loads(result), json.loads(jobcmd))
            for jobid, stage, claim, overdue, outcome, result, jobcmd in rows(_JOBS)
        },
        [ClaimEnd(*row) for row in rows(_ENDS)],
        {row[0]: tuple(row[1:]) for row in rows(_COUNTERS)},
        {stage: int(jobs) for stage, jobs in rows(_FINISHED)},
        {stage: int(jobs) for stage, jobs in rows(_MEASURED)},
        {name: (done, failures) for name, done, failures in rows(_WORKERS)},
    )
    final.late_results = [LateResult(job, claim, result and json.loads(result)) for job, claim, result in rows(_LATE)]
    final.rules = {stage: json.loads(text) for stage, text in rows(_RULES)}
    for jobid, *step in rows(_STEPS):
        final.steps.setdefault(jobid, []).append(Step(*step))
    connection.execute("ROLLBACK")
    return final
