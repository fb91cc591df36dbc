"""Encodes requests and decodes responses: the only place that knows the keys of the protocol's JSON.

The types of parameters state what the protocol promises, which a server may break: decoders raise KeyError, TypeError,
ValueError, AttributeError or OverflowError for JSON of another shape.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ..errors import BadSource
from ..http.failures import printable
from .types import (
    CheckResponse,
    Job,
    JobChanges,
    Lifetime,
    Outcome,
    Progress,
    Refusal,
    Renewed,
    Requeue,
    SetResponse,
    StageCount,
    UpdateResponse,
    as_json,
)

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

NO_JOB: Final = "nada"
STATES = ("held", "lost", "cancel")
JOBS_PER_BODY = 10_000
BYTES_PER_BODY = 1 << 20


def encode_minutes(minutes: float) -> str:
    """Minutes for a path: never 1e-05."""
    text = f"{minutes:.10f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def requeue_target(stage: int, requeue: Requeue) -> int | None:
    """The stage that a requeue of this stage leads to. Raises ValueError if it is not an even stage below."""
    target = (stage - 1) // 2 * 2 if requeue == "below" else requeue
    if target is not None and not (0 <= target < stage and target % 2 == 0):
        raise ValueError(
            f"jobs of stage {stage} cannot return to stage {target}: choose an even stage below"
            if stage
            else "stage 0 has no stage below that its jobs could return to: give none"
        )
    return target


def requeue_targets(stages: int, requeue: Requeue) -> dict[int, int]:
    """The targets of the odd stages below `stages`. Raises ValueError for a stage that none of them can return to."""
    odd = range(1, stages, 2)
    if isinstance(requeue, int) and not odd:
        raise ValueError("requeue is about odd stages: give the lifetime of stage 1 too, for example 0 10")
    targets = {stage: requeue_target(stage, requeue) for stage in odd}
    return {stage: target for stage, target in targets.items() if target is not None}


def encode_set(jobs: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[bytes]:
    """Bodies for `/set`, gzip: at most 10,000 jobs, and 1 MiB before compression unless a single job is larger."""
    entries: list[bytes] = []
    size = 0
    for job in jobs:
        jobid, fields = _checked(job)
        try:
            entry = b'"%d":%b' % (jobid, as_json(dict(fields)))
        except (TypeError, ValueError, RecursionError) as problem:
            raise BadSource(f"job {jobid!r} cannot be sent as JSON: {problem}") from problem
        if entries and (len(entries) == JOBS_PER_BODY or size + len(entry) > BYTES_PER_BODY):
            yield _compressed(entries)
            entries, size = [], 0
        entries.append(entry)
        size += len(entry) + 1
    if entries:
        yield _compressed(entries)


def _checked(job: Any) -> tuple[int, Mapping[str, Any]]:
    """A job of `set`. Raises BadSource if it is not a pair of a whole number and an object."""
    if not (isinstance(job, tuple | list) and len(job) == 2):
        raise BadSource(f"{job!r} is not a job: give pairs such as (1, {{'jobcmd': …}}), or a dict of them")
    jobid, fields = job
    if not hasattr(jobid, "__index__"):  # the integers of numpy have it too
        raise BadSource(f"the jobid must be a whole number: int({jobid!r})")
    if not isinstance(fields, Mapping):
        raise BadSource(f"job {jobid}: give an object such as {{'jobcmd': …, 'priority': 0}}, not {fields!r}")
    return jobid, fields


def _compressed(entries: list[bytes]) -> bytes:
    return gzip.compress(b"{" + b",".join(entries) + b"}", compresslevel=1)


@lru_cache(64)  # the jobs of a batch have the same deadline
def decode_time(text: str | None) -> datetime | None:
    """ISO 8601 with a Z, which Python reads only from 3.11 on."""
    if text is None:
        return None
    time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _seconds_left(deadline: datetime | None, now: datetime) -> float | None:
    return None if deadline is None else (deadline - now).total_seconds()


def decode_job(item: shapes.ClaimedJob, working_stage: int | None, now: datetime) -> Job:
    """A claimed job. Its `jobix`, which workers without this client expect in the response, is ignored on purpose."""
    stage = int(item["jobstage"])
    deadline = decode_time(item.get("deadline"))
    claim = item["claim"]
    if not (claim.isascii() and claim.isprintable()):
        raise ValueError("claim")  # it is sent as a header
    return Job(
        jobid=int(item["jobid"]),
        jobcmd=item.get("jobcmd"),
        stage=stage,
        working_stage=stage + 1 if working_stage is None else working_stage,
        claim=claim,
        attempt=int(item.get("attempt", 1)),
        deadline=deadline,
        lifetime_s=_seconds_left(deadline, now),
    )


def decode_jobs(value: shapes.ClaimResponse | None, working_stage: int | None, now: datetime) -> list[Job]:
    """The response to a claim: "nada", a job, or a list of jobs."""
    if value is None or value == NO_JOB:
        return []
    return [decode_job(item, working_stage, now) for item in (value if isinstance(value, list) else [value])]


def decode_update(value: shapes.UpdateResponse, now: datetime) -> UpdateResponse:
    """The response of `/update_job`."""
    claimed = decode_jobs(value.get("next"), None, now)
    return UpdateResponse(
        jobid=int(value["jobid"]),
        jobstage=int(value["jobstage"]),
        failed=bool(value.get("failed", False)),
        message=printable(str(value.get("message", ""))),
        next=claimed[0] if claimed else None,
    )


def decode_outcomes(value: shapes.UpdateJobsResponse, now: datetime, count: int) -> tuple[list[Outcome], list[Job]]:
    """The response of `/update_jobs` to `count` reports."""
    outcomes = [_outcome(item) for item in value["jobs"]]
    if len(outcomes) != count:
        raise ValueError("jobs")
    return outcomes, decode_jobs(value.get("next"), None, now)


def _outcome(value: shapes.ReportOutcome) -> Outcome:
    jobid, status, message = int(value["jobid"]), int(value["status"]), printable(str(value.get("message", "")))
    if "error" in value:
        return Outcome(jobid, status, message, error=value["error"])
    return Outcome(jobid, status, message, int(value["jobstage"]), bool(value.get("failed", False)))


def decode_renewed(value: shapes.HeartbeatResponse, now: datetime, jobs: Sequence[Job]) -> list[Renewed]:
    """The response of `/heartbeat` for these jobs, in the same order."""
    renewed = [_renewed(item, now) for item in value["jobs"]]
    if [item.jobid for item in renewed] != [job.jobid for job in jobs]:
        raise ValueError("jobs")
    return renewed


def _renewed(value: shapes.RenewedClaim, now: datetime) -> Renewed:
    deadline = decode_time(value.get("deadline"))
    if value["state"] not in STATES:
        raise ValueError("state")
    return Renewed(int(value["jobid"]), value["state"], deadline, _seconds_left(deadline, now))


def decode_set(value: shapes.SetResponse) -> SetResponse:
    """The response of `/set`."""
    return SetResponse(int(value["new"]), int(value["known"]))


def decode_check(value: shapes.CheckStagesResponse) -> CheckResponse:
    """The response of `/check_stages`."""
    return CheckResponse(bool(value["ok"]), int(value["flagged"]), int(value["degraded"]))


def decode_changes(value: shapes.JobChanges) -> JobChanges:
    """The response of an operator's action."""
    refused = [
        Refusal(int(entry["jobid"]), int(entry["status"]), printable(str(entry["message"])))
        for entry in value["refused"]
    ]
    return JobChanges(int(value["jobs"]), int(value["requested"]), refused)


def decode_lifetimes(value: dict[str, float]) -> dict[int, float]:
    """The response of `/init`: minutes by stage."""
    return {int(stage): _finite(minutes) for stage, minutes in value.items()}


def decode_lifetime(value: shapes.StageLifetime) -> Lifetime:
    """The response of `/lifetime/<stage>`."""
    requeue = value["requeue"]
    return Lifetime(
        stage=int(value["stage"]),
        minutes=_finite(value["minutes"]),
        requeue=None if requeue is None else int(requeue),
        max_attempts=int(value["max_attempts"]),
    )


def decode_progress(value: shapes.ListProgress) -> Progress:
    """The response of `/get` to a program."""
    stages = {
        int(stage): StageCount(int(count["jobs"]), int(count["flagged"]), int(count["failed"]))
        for stage, count in value["stages"].items()
    }
    return Progress(
        name=printable(str(value["list"]), keep=""),
        last_stage=int(value["last_stage"]),
        jobs=int(value["jobs"]),
        done=int(value["done"]),
        percent=_finite(value["percent"]),
        available=int(value["available"]),
        working=int(value["working"]),
        flagged=int(value["flagged"]),
        failed=int(value["failed"]),
        stages=stages,
    )


def _finite(value: Any) -> float:
    """A number of JSON. Python reads 1e400 as infinity."""
    number = float(value)
    if not math.isfinite(number):
        raise OverflowError("infinite")
    return number
