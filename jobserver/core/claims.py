"""What a worker asks for, and what it is told of the jobs that it holds: the nouns of claims.py."""

from typing import NamedTuple


class Wish(NamedTuple):
    """Which jobs a worker asks for. `claim`: the token that it chose, if it did."""

    stage: int
    work: int
    n: int = 1
    claim: str | None = None
    worker: str | None = None


class Claimed(NamedTuple):
    """A job that its worker now holds. `jobcmd` is JSON text; `deadline` in ms, None: for ever."""

    jobid: int
    jobcmd: str
    attempt: int
    deadline: int | None
    claim: str
    stage: int


class Ended(NamedTuple):
    """How a claim ended: the job is in `jobstage` now; `failed`: it was its last attempt."""

    jobid: int
    jobstage: int
    failed: bool = False


class Renewed(NamedTuple):
    """What a heartbeat is answered: `state` is held, lost or cancel."""

    jobid: int
    state: str
    deadline: int | None = None


class Report(NamedTuple):
    """What a worker says at the end of a claim. `claim` None: a founding worker. JSON is text; None: not said."""

    jobid: int
    target: int
    claim: str | None = None
    filename: str | None = None
    jobcmd: str | None = None
    result: str | None = None
    error: str | None = None
