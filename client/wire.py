"""From the server's JSON to our objects: the one place that knows its keys."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from .answers import Lifetime, Outcome, Progress, Renewed, StageCount, StagesAnswer, UpdateAnswer
from .job import Job

NADA = "nada"


def path_number(minutes: float) -> str:
    """Minutes as they go into a path: never 1e-05."""
    text = f"{minutes:.10f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(64)  # jobs of a batch have the same
def a_time(text: str | None) -> datetime | None:
    """ISO 8601 with a Z, which Python reads from 3.11 on only."""
    if text is None:
        return None
    time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def seconds_left(deadline: datetime | None, now: datetime) -> float | None:
    """From the server's now to the deadline; None is for ever."""
    return None if deadline is None else (deadline - now).total_seconds()


def a_job(item: dict[str, Any], working_stage: int | None, now: datetime) -> Job:
    """A claimed job; `jobix`, which the founding workers expect in the answer, is left out on purpose."""
    stage = int(item["jobstage"])
    deadline = a_time(item.get("deadline"))
    return Job(
        jobid=int(item["jobid"]),
        jobcmd=item.get("jobcmd"),
        stage=stage,
        working_stage=stage + 1 if working_stage is None else working_stage,
        claim=str(item["claim"]),
        attempt=int(item.get("attempt", 1)),
        deadline=deadline,
        lifetime_s=seconds_left(deadline, now),
    )


def jobs(value: Any, working_stage: int | None, now: datetime) -> list[Job]:
    """What a claiming request answers: "nada", a job, or a list of them."""
    if value is None or value == NADA:
        return []
    return [a_job(item, working_stage, now) for item in (value if isinstance(value, list) else [value])]


def an_update(value: dict[str, Any], now: datetime) -> UpdateAnswer:
    """The answer of /update_job."""
    claimed = jobs(value.get("next"), None, now)
    return UpdateAnswer(
        jobid=int(value["jobid"]),
        jobstage=int(value["jobstage"]),
        failed=bool(value.get("failed", False)),
        message=str(value.get("message", "")),
        next=claimed[0] if claimed else None,
    )


def an_outcome(value: dict[str, Any]) -> Outcome:
    """One of the outcomes of /update_jobs."""
    return Outcome(
        jobid=int(value["jobid"]),
        status=int(value["status"]),
        message=str(value.get("message", "")),
        jobstage=value.get("jobstage"),
        failed=bool(value.get("failed", False)),
        error=value.get("error"),
    )


def outcomes(value: dict[str, Any], now: datetime) -> tuple[list[Outcome], list[Job]]:
    """The answer of /update_jobs."""
    return [an_outcome(one) for one in value["jobs"]], jobs(value.get("next"), None, now)


def renewed(value: dict[str, Any], now: datetime) -> Renewed:
    """One of the answers of /heartbeat."""
    deadline = a_time(value.get("deadline"))
    return Renewed(int(value["jobid"]), str(value["state"]), deadline, seconds_left(deadline, now))


def stages(value: dict[str, Any]) -> StagesAnswer:
    """The answer of /check_stages."""
    return StagesAnswer(bool(value["ok"]), int(value["flagged"]), int(value["degraded"]))


def a_lifetime(value: dict[str, Any]) -> Lifetime:
    """The answer of /lifetime/<stage>."""
    return Lifetime(int(value["stage"]), float(value["minutes"]), value["requeue"], int(value["max_attempts"]))


def a_progress(value: dict[str, Any]) -> Progress:
    """The answer of /get to a program."""
    counts = {
        int(stage): StageCount(int(count["jobs"]), int(count["flagged"]), int(count["failed"]))
        for stage, count in value["stages"].items()
    }
    return Progress(
        name=str(value["list"]),
        last_stage=int(value["last_stage"]),
        jobs=int(value["jobs"]),
        done=int(value["done"]),
        percent=float(value["percent"]),
        available=int(value["available"]),
        working=int(value["working"]),
        flagged=int(value["flagged"]),
        failed=int(value["failed"]),
        stages=counts,
    )
