"""The types that JobClient takes and returns."""

from __future__ import annotations

import enum
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes


class Unset(enum.Enum):
    """The type of UNSET, which exists because None is a JSON value too."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
Requeue: TypeAlias = "int | Literal['below'] | None"


@dataclass(frozen=True)
class Job:
    """A claimed job.

    jobid: 0 to 2^63-1. jobcmd: any JSON value. stage: the even stage that it was taken from. working_stage: the odd
    one that it is in. claim: the token that proves the claim. attempt: from 1. deadline: UTC, None without a lifetime.
    lifetime_s: seconds from the claim to the deadline by the server's clock.
    """

    jobid: int
    jobcmd: Any = field(hash=False)
    stage: int
    working_stage: int
    claim: str = field(repr=False)
    attempt: int
    deadline: datetime | None
    lifetime_s: float | None = field(default=None, repr=False, compare=False)

    @property
    def stopped(self) -> threading.Event:
        """Set when the claim is lost or the job was cancelled. A long function checks it now and then."""
        attributes = vars(self)  # made at the first use: most functions never look, and an Event costs more than a Job
        event: threading.Event | None = attributes.get("_stopped")
        return event or attributes.setdefault("_stopped", threading.Event())  # atomic: all threads get the same one

    @property
    def done_stage(self) -> int:
        """The even stage of a job whose work succeeded."""
        return self.working_stage + 1


@dataclass(frozen=True)
class Done:
    """What a worker's function returns if it has more than a result.

    result: any JSON value, stored with the job. filename: path of the output. jobcmd: for the worker of the next stage.
    """

    result: Any = UNSET
    filename: str | None = None
    jobcmd: Any = UNSET


@dataclass(frozen=True)
class Report:
    """The end of one claim, for `JobClient.update_many`: job `jobid` moves to the even stage `jobstage`."""

    jobid: int
    jobstage: int
    claim: str | None = field(default=None, repr=False)
    filename: str | None = None
    jobcmd: Any = UNSET
    result: Any = UNSET
    error: str | None = None

    def body(self) -> shapes.UpdateBody:
        """What the report has beside job, stage and claim: the body of `/update_job`."""
        body: shapes.UpdateBody = {}
        self._fill(body)
        return body

    def entry(self) -> shapes.ReportEntry:
        """The report as an entry of `/update_jobs`."""
        entry: shapes.ReportEntry = {"jobid": self.jobid, "jobstage": self.jobstage}
        if self.claim is not None:
            entry["claim"] = self.claim
        self._fill(entry)
        return entry

    def _fill(self, body: shapes.UpdateBody) -> None:
        if self.filename is not None:
            body["filename"] = self.filename
        if self.error is not None:
            body["error"] = self.error
        if self.jobcmd is not UNSET:
            body["jobcmd"] = self.jobcmd
        if self.result is not UNSET:
            body["result"] = self.result


@dataclass(frozen=True)
class SetResponse:
    """How many jobs of a set were new, and how many the list had already; these were not changed."""

    new: int
    known: int


@dataclass(frozen=True)
class UpdateResponse:
    """Where a job is now. failed: it has no attempts left and stays, flagged. next: the job claimed with the update."""

    jobid: int
    jobstage: int
    failed: bool
    message: str
    next: Job | None


class Outcome(NamedTuple):
    """The outcome of one report of many. status: as of HTTP; if it is not 200, jobstage is None and error is set."""

    jobid: int
    status: int
    message: str
    jobstage: int | None = None
    failed: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Renewed:
    """A claim after a heartbeat. state: held, lost or cancel; lifetime_s: seconds left, None: no limit."""

    jobid: int
    state: str
    deadline: datetime | None
    lifetime_s: float | None


@dataclass(frozen=True)
class CheckResponse:
    """ok: no job is flagged. flagged: how many are; degraded: how many were moved back."""

    ok: bool
    flagged: int
    degraded: int


@dataclass(frozen=True)
class Lifetime:
    """The lifetime of a stage. minutes: 0 is no limit; requeue: the even stage that expired jobs return to;
    max_attempts: 0 is no limit."""

    stage: int
    minutes: float
    requeue: int | None
    max_attempts: int


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
    """The jobs of one stage; flagged includes failed."""

    jobs: int
    flagged: int
    failed: int


@dataclass(frozen=True)
class Progress:
    """The counts of a whole list. name: its public name; done: jobs in the last stage; flagged includes failed."""

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


def as_json(value: Any) -> bytes:
    """`value` as strict JSON. Raises TypeError or ValueError for what JSON cannot express, such as NaN."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
