"""A job as a worker holds it, and what a worker says of it."""

from __future__ import annotations

import enum
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final


class Unset(enum.Enum):
    """The type of UNSET, which is there because None is a JSON value too."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True)
class Job:
    """A claimed job.

    jobid: 0 to 2^63-1. jobcmd: any JSON value. stage: the even stage it was taken from. working_stage: the odd one
    it is in. claim: the token that proves that it is ours. attempt: from 1. deadline: UTC, None without a lifetime.
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
        """Set when the claim is lost or somebody cancelled the job; a long function looks at it now and then."""
        kept = vars(self)  # made when it is first asked for: most functions never look, and it costs more than the Job
        event: threading.Event | None = kept.get("_stopped")
        return event or kept.setdefault("_stopped", threading.Event())  # one for all who ask, even at once

    @property
    def done_stage(self) -> int:
        """The even stage that a job goes to when its work succeeded."""
        return self.working_stage + 1


@dataclass(frozen=True)
class Done:
    """What a function of a worker returns when it has more to say than a result.

    result: any JSON value, kept with the job. filename: the output's path. jobcmd: what the next stage's worker gets.
    """

    result: Any = UNSET
    filename: str | None = None
    jobcmd: Any = UNSET


@dataclass(frozen=True)
class Report:
    """The end of one claim, for `JobClient.update_many`: job `jobid` goes to the even stage `jobstage`."""

    jobid: int
    jobstage: int
    claim: str | None = field(default=None, repr=False)
    filename: str | None = None
    jobcmd: Any = UNSET
    result: Any = UNSET
    error: str | None = None

    def body(self) -> dict[str, Any]:
        """What the report says beyond job, stage and claim."""
        said: dict[str, Any] = {}
        if self.filename is not None:
            said["filename"] = self.filename
        if self.error is not None:
            said["error"] = self.error
        if self.jobcmd is not UNSET:
            said["jobcmd"] = self.jobcmd
        if self.result is not UNSET:
            said["result"] = self.result
        return said

    def entry(self) -> dict[str, Any]:
        """The report as `/update_jobs` takes it."""
        said = self.body()
        said["jobid"], said["jobstage"] = self.jobid, self.jobstage
        if self.claim is not None:
            said["claim"] = self.claim
        return said


def as_json(value: Any) -> bytes:
    """`value` as strict JSON; TypeError or ValueError for what JSON has no words for (NaN, an array of numpy)."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def set_entry(jobid: int, fields: Mapping[str, Any]) -> bytes:
    """One job as `/set` takes it: `"3":{"jobcmd":…}`."""
    return b'"%d":%b' % (jobid, as_json(dict(fields)))
