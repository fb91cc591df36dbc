"""Encodes requests and decodes responses: the only place that knows the keys of the protocol's JSON.

The types of parameters state what the protocol promises, which a server may break: decoders raise KeyError, TypeError,
ValueError, AttributeError or OverflowError for JSON of another shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ..http.failures import printable
from .responses import (
    CheckResponse,
    JobChanges,
    Lifetime,
    Outcome,
    Progress,
    Refusal,
    Renewed,
    Rules,
    SetResponse,
    StageCount,
    UpdateResponse,
)
from .types import Job, Output, Requeue

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import list_shapes, shapes

NO_JOB: Final = "nada"
STATES = ("held", "lost", "cancel")


def encode_number(number: float) -> str:
    """A number for a URL: never 1e-05."""
    text = f"{number:.10f}"
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
    time_limit = decode_time(item.get("time_limit"))
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
        name=item.get("name"),
        outputs=tuple(map(decode_output, item["outputs"])) if item.get("outputs") else (),
        time_limit=time_limit,
        time_limit_s=_seconds_left(time_limit, now),
        check=item.get("check"),
        compare=item.get("compare"),
    )


def decode_output(value: shapes.Output) -> Output:
    """A declared output file."""
    return Output(str(value["path"]), int(value["bytes"]), str(value["sha256"]), value.get("staged"))


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
    failed, replaced = bool(value.get("failed", False)), bool(value.get("replaced", False))
    return Outcome(jobid, status, message, int(value["jobstage"]), failed, replaced=replaced)


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
    unclaimed = bool(value.get("unclaimed", False))
    return Renewed(int(value["jobid"]), value["state"], deadline, _seconds_left(deadline, now), unclaimed)


def decode_set(value: shapes.SetResponse) -> SetResponse:
    """The response of `/set`."""
    names = [name if isinstance(name, int) else printable(name) for name in value.get("different_jobs", [])]
    return SetResponse(int(value["new"]), int(value["known"]), int(value.get("different", 0)), tuple(names))


def decode_check(value: list_shapes.CheckStagesResponse) -> CheckResponse:
    """The response of `/check_stages`."""
    return CheckResponse(bool(value["ok"]), int(value["flagged"]), int(value["degraded"]))


def decode_changes(value: list_shapes.JobChanges) -> JobChanges:
    """The response of an operator's action."""
    refused = [
        Refusal(int(entry["jobid"]), int(entry["status"]), printable(str(entry["message"])))
        for entry in value["refused"]
    ]
    return JobChanges(int(value["jobs"]), int(value["requested"]), refused)


def decode_lifetimes(value: dict[str, float]) -> dict[int, float]:
    """The response of `/init`: minutes by stage."""
    return {int(stage): _finite(minutes) for stage, minutes in value.items()}


def decode_lifetime(value: list_shapes.StageLifetime) -> Lifetime:
    """The response of `/lifetime/<stage>`."""
    requeue = value["requeue"]
    return Lifetime(
        stage=int(value["stage"]),
        minutes=_finite(value["minutes"]),
        requeue=None if requeue is None else int(requeue),
        max_attempts=int(value["max_attempts"]),
        backoff_s=_finite(value.get("backoff_s", 0)),
        retry_for_s=_finite(value.get("retry_for_s", 0)),
    )


def decode_rules(value: shapes.StageRules) -> Rules:
    """The response of `/rules/<stage>`."""
    return Rules(int(value["stage"]), value["check"], value["replication"], bool(value["set_aside"]))


def decode_progress(value: list_shapes.ListProgress) -> Progress:
    """The response of `/get` to a program."""
    stages = {
        int(stage): StageCount(
            int(count["jobs"]), int(count["flagged"]), int(count["failed"]), int(count.get("cancelled", 0))
        )
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
        archived=value.get("archived") is True,
        cancelled=int(value.get("cancelled", 0)),
    )


def _finite(value: Any) -> float:
    """A number of JSON. Python reads 1e400 as infinity."""
    number = float(value)
    if not math.isfinite(number):
        raise OverflowError("infinite")
    return number
