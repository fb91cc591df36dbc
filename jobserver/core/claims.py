"""The types of a claim: request, claimed job, report, completion and renewal."""

from typing import NamedTuple


class ClaimRequest(NamedTuple):
    """A worker's request for `n` jobs of a stage. `token`: the claim token; None: the server chooses it."""

    stage: int
    working_stage: int
    n: int = 1
    token: str | None = None
    worker: str | None = None


class ClaimedJob(NamedTuple):
    """A job that a worker holds. `jobcmd` is JSON text; `deadline` in ms, None: no limit. `stage`: the stage before the
    claim."""

    row_id: int
    jobid: int
    jobcmd: str
    attempt: int
    deadline: int | None
    token: str
    stage: int


class Completion(NamedTuple):
    """The end of a claim. `stage`: the new stage of the job; `failed`: the attempt was the last one and failed."""

    jobid: int
    stage: int
    failed: bool = False


class Renewal(NamedTuple):
    """The response to a heartbeat for one claim: `state` is held, lost or cancel; `deadline` in ms."""

    jobid: int
    state: str
    deadline: int | None = None


class Report(NamedTuple):
    """A worker's report at the end of a claim. `token` None: a founding worker. JSON is text; None: not given."""

    jobid: int
    target: int
    token: str | None = None
    filename: str | None = None
    jobcmd: str | None = None
    result: str | None = None
    error: str | None = None
