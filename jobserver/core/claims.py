"""The nouns of a claim: what a worker requests, holds and reports."""

from typing import NamedTuple


class ClaimRequest(NamedTuple):
    """Which jobs a worker requests. `token`: the claim token that it chose, if it did."""

    stage: int
    working_stage: int
    n: int = 1
    token: str | None = None
    worker: str | None = None


class ClaimedJob(NamedTuple):
    """A job that its worker now holds. `jobcmd` is JSON text; `deadline` in ms, None: no limit. `stage`: the stage it
    was taken from."""

    row_id: int
    jobid: int
    jobcmd: str
    attempt: int
    deadline: int | None
    token: str
    stage: int


class Completion(NamedTuple):
    """How a claim ended: the job is in `stage` now; `failed`: it was its last attempt."""

    jobid: int
    stage: int
    failed: bool = False


class Renewal(NamedTuple):
    """The answer to a heartbeat: `state` is held, lost or cancel; `deadline` in ms."""

    jobid: int
    state: str
    deadline: int | None = None


class Report(NamedTuple):
    """What a worker says at the end of a claim. `token` None: a founding worker. JSON is text; None: not given."""

    jobid: int
    target: int
    token: str | None = None
    filename: str | None = None
    jobcmd: str | None = None
    result: str | None = None
    error: str | None = None
