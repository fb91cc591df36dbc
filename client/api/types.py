"""Jobs, their outputs and reports: what a worker gets, does and sends."""

from __future__ import annotations

import enum
import json
import os
import threading
from collections.abc import Sequence
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

Condition = Literal["error", "timeout", "interrupted", "invalid"]


class Output(NamedTuple):
    """A declared output file. path: its final place, absolute. staged: where it is until its worker publishes it."""

    path: str
    bytes: int
    sha256: str
    staged: str | None = None


@dataclass(frozen=True)
class PrivateFile:
    """A declared output of one attempt. path: the final place; staged: the file that the work writes. Both absolute."""

    path: str
    staged: str


@dataclass(frozen=True)
class Job:
    """A claimed job.

    jobid: 0 to 2^63-1. jobcmd: any JSON value. stage: the even stage that it was taken from. working_stage: the odd
    one that it is in. claim: the token that proves the claim. attempt: from 1. deadline: UTC, None without a lifetime.
    lifetime_s: seconds from the claim to the deadline by the server's clock. name: the user's name of the job, or None.
    outputs: the files that the stage before declared. time_limit: when the attempt must end, UTC; renewals do not move
    it. time_limit_s: seconds from the claim to it. check: of the stage, None without one. compare: the command of the
    stage and the earlier results with which the worker compares its own, or None.
    """

    jobid: int
    jobcmd: Any = field(hash=False)
    stage: int
    working_stage: int
    claim: str = field(repr=False)
    attempt: int
    deadline: datetime | None
    lifetime_s: float | None = field(default=None, repr=False, compare=False)
    name: str | None = None
    outputs: Sequence[Output] = field(default=(), hash=False)
    time_limit: datetime | None = None
    time_limit_s: float | None = field(default=None, repr=False, compare=False)
    check: shapes.Check | None = field(default=None, repr=False, hash=False)
    compare: shapes.Comparison | None = field(default=None, repr=False, hash=False)

    @property
    def private_files(self) -> Sequence[PrivateFile]:
        """The declared outputs of this attempt; () if the worker declares none."""
        files: Sequence[PrivateFile] = vars(self).get("_private_files", ())  # not a field: most jobs have none
        return files

    def declare(self, files: Sequence[PrivateFile]) -> None:
        """Sets the declared outputs of this attempt."""
        vars(self)["_private_files"] = files

    @property
    def output(self) -> str:
        """Where to write the first declared output. The worker publishes it when the server has accepted the result."""
        if not self.private_files:
            raise ValueError("this worker declares no output: use Worker(..., outputs=['out/{jobid}.npy'])")
        return self.private_files[0].staged

    @property
    def output_dir(self) -> str:
        """The private directory of the first declared output, also for temporary files."""
        return os.path.dirname(self.output)

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
    """The end of one claim, for `JobClient.update_many`: job `jobid` moves to the even stage `jobstage`.

    outputs: the declared files of the attempt. condition: why it did not succeed, if that was not an error of the work:
    timeout, interrupted or invalid. retry: False if another attempt would fail too. passed: the verdict of the stage's
    check. agrees_with: the number of an earlier result of another host that agrees with this one.
    """

    jobid: int
    jobstage: int
    claim: str | None = field(default=None, repr=False)
    filename: str | None = None
    jobcmd: Any = UNSET
    result: Any = UNSET
    error: str | None = None
    outputs: Sequence[Output] = ()
    condition: Condition | None = None
    retry: bool = True
    passed: bool | None = None
    agrees_with: int | None = None

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
        if self.outputs:
            body["outputs"] = [_shape(output) for output in self.outputs]
        if self.condition is not None:
            body["condition"] = self.condition
        if not self.retry:
            body["retry"] = False
        if self.passed is not None:
            body["passed"] = self.passed
        if self.agrees_with is not None:
            body["agrees_with"] = self.agrees_with


def _shape(output: Output) -> shapes.Output:
    shape: shapes.Output = {"path": output.path, "bytes": output.bytes, "sha256": output.sha256}
    if output.staged is not None:
        shape["staged"] = output.staged
    return shape


def as_json(value: Any) -> bytes:
    """`value` as strict JSON. Raises TypeError or ValueError for what JSON cannot express, such as NaN."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
