"""The JSON shapes of a whole list, and of an operator's actions: counts, lifetimes and changes."""

from typing import Literal, TypedDict

from job_manager_wire.shapes import Error


class RefusedChange(Error):
    """A job that an operator's action did not change. status: as of HTTP."""

    jobid: int
    status: int


class JobChanges(TypedDict):
    """The response of /cancel_jobs, /skip_jobs, /delete_jobs and /retry_jobs. jobs: the number of changed jobs;
    requested: running jobs whose worker must stop (/cancel_jobs); refused: jobs of the request that are
    unchanged."""

    jobs: int
    requested: int
    refused: list[RefusedChange]


class CheckStagesResponse(TypedDict):
    """The response of /check_stages. ok: no job is flagged."""

    ok: bool
    flagged: int
    degraded: int


class _RequiredStageLifetime(TypedDict):
    stage: int
    minutes: float
    requeue: int | None
    max_attempts: int


class StageLifetime(_RequiredStageLifetime, total=False):
    """The response of /lifetime/<stage>. minutes: 0 is no limit; requeue: the even stage that expired jobs return to;
    max_attempts: 0 is no limit. backoff_s: the pause after the first failure of a job; retry_for_s: the time after the
    first failure in which a job is retried; both only if set."""

    backoff_s: float
    retry_for_s: float


class _RequiredStageCounts(TypedDict):
    jobs: int
    flagged: int
    failed: int


class StageCounts(_RequiredStageCounts, total=False):
    """The jobs of one stage. flagged includes failed and cancelled jobs. cancelled: absent if there are none."""

    cancelled: int


class _RequiredListProgress(TypedDict):
    list: str
    last_stage: int
    jobs: int
    done: int
    percent: float
    available: int
    working: int
    flagged: int
    failed: int
    stages: dict[str, StageCounts]


class ListProgress(_RequiredListProgress, total=False):
    """The response of /get to a program. page: the path of the list's web page; absent for an unknown list. archived:
    present if the list is archived. cancelled: absent if no job was cancelled."""

    page: str
    cancelled: int
    archived: Literal[True]


class ListChange(TypedDict):
    """The response of /archive_list, /restore_list and /delete_list. change: archived, restored or deleted."""

    list: str
    change: str
