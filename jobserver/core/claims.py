"""The types of a claim: request, claimed job, report, completion and renewal."""

from typing import NamedTuple

from jobserver.core.states import Condition


class ClaimRequest(NamedTuple):
    """A worker's request for `n` jobs of a stage. `token`: the claim token; None: the server chooses it. `lease_ms`:
    the worker promises to renew the claim within this time; None: it promises nothing."""

    stage: int
    working_stage: int
    n: int = 1
    token: str | None = None
    worker: str | None = None
    lease_ms: int | None = None


class ClaimedJob(NamedTuple):
    """A job that a worker holds. `jobcmd` is JSON text; `deadline` in ms, None: no limit. `stage`: the stage before the
    claim. `outputs`: the files that the stage before declared, as JSON text. `time_limit`: the end of the lifetime of a
    claim with a lease, in ms. `check`: the check of the stage as JSON text. `compare`: the earlier results with which
    the worker compares its own, as JSON text."""

    row_id: int
    jobid: int
    jobcmd: str
    attempt: int
    deadline: int | None
    token: str
    stage: int
    name: str | None = None
    outputs: str | None = None
    time_limit: int | None = None
    check: str | None = None
    compare: str | None = None


class Completion(NamedTuple):
    """The end of a claim. `stage`: the new stage of the job; `failed`: the attempt was the last one and failed;
    `cancelled`: an operator cancelled the job. `reason`: why a reported result was not accepted, or not yet.
    `replaced`: an equal result of another worker was accepted."""

    jobid: int
    stage: int
    failed: bool = False
    reason: str | None = None
    replaced: bool = False
    cancelled: bool = False


class Renewal(NamedTuple):
    """The response to a heartbeat for one claim: `state` is held, lost or cancel; `deadline` in ms. `unclaimed`: the
    claim was lost, but nobody has claimed its job since, so that its result would be accepted."""

    jobid: int
    state: str
    deadline: int | None = None
    unclaimed: bool = False


class Report(NamedTuple):
    """A worker's report at the end of a claim. `token` None: a founding worker. JSON is text; None: not given.
    `condition`: why the attempt did not succeed; `retry` False: another attempt would fail too. `outputs`: the declared
    files. `passed`: the verdict of the stage's check; None: there was none."""

    jobid: int
    target: int
    token: str | None = None
    filename: str | None = None
    jobcmd: str | None = None
    result: str | None = None
    error: str | None = None
    outputs: str | None = None
    condition: Condition | None = None
    retry: bool = True
    passed: bool | None = None
    agrees_with: int | None = None

    @property
    def cause(self) -> Condition | None:
        """Why the attempt did not succeed; None: it succeeded, or was returned without a reason."""
        return Condition.ERROR if self.condition is None and self.error is not None else self.condition

    @property
    def is_failure(self) -> bool:
        """Whether the attempt counts as failed."""
        return self.cause not in (None, Condition.INTERRUPTED)
