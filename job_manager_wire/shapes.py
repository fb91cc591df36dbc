"""The JSON objects of the worker protocol, as TypedDicts. docs/protocol.md describes them.

A base class `_Required…` holds the keys that are always present; NotRequired needs Python 3.11.
"""

from typing import Any, Literal, TypedDict, final

JsonValue = Any  # any value of JSON; the server writes stored JSON as it is, as a msgspec.Raw
NoJob = Literal["nada"]


class Error(TypedDict):
    """The body of an error response. error: the code of the problem; message: the problem and its remedy."""

    error: str
    message: str


class SetEntry(TypedDict, total=False):
    """A job of /set, which maps ids to these objects. name: the user's name of the job, unique in the list."""

    jobstage: int
    jobcmd: JsonValue
    priority: int
    name: str


class ListedSetEntry(SetEntry, total=False):
    """A job of a /set that is a list. Without a jobid the server chooses one."""

    jobid: int


class _RequiredSetResponse(TypedDict):
    message: str
    new: int
    known: int


class SetResponse(_RequiredSetResponse, total=False):
    """The response of /set. different: the number of known jobs that were submitted with another jobcmd before, present
    if there are any; different_jobs: the names, or else the ids, of up to five of them."""

    different: int
    different_jobs: list[int | str]


class _RequiredOutput(TypedDict):
    path: str
    bytes: int
    sha256: str


class Output(_RequiredOutput, total=False):
    """A declared output file. staged: where the file is until its worker has published it under `path`."""

    staged: str


class _RequiredClaimedJob(TypedDict):
    jobid: int
    jobcmd: JsonValue
    jobstage: int
    jobix: int
    claim: str
    attempt: int
    deadline: str | None


class ClaimedJob(_RequiredClaimedJob, total=False):
    """A claimed job. jobstage: the stage that it was taken from; deadline: the end of the lease or of the lifetime,
    ISO 8601 in UTC, None without both. name: the user's name of the job. outputs: the files of the stage before.
    time_limit: the end of the lifetime of a claim with a lease; renewals do not extend it.
    check: the check of the stage, which the worker runs. compare: the command with which the worker compares its
    result, and the earlier results."""

    name: str
    outputs: JsonValue  # a list of Output
    time_limit: str | None
    check: JsonValue  # a Check
    compare: JsonValue  # a Comparison


ClaimResponse = ClaimedJob | list[ClaimedJob] | NoJob  # of /get/<stage>; a list if the request has n


class OutputRule(TypedDict, total=False):
    """What each output file of a job must fulfil. Sizes in bytes."""

    non_empty: bool
    min_bytes: int
    max_bytes: int


class Check(TypedDict, total=False):
    """The check of a result. command: exit code 0 passes; schema: a JSON schema."""

    command: str | list[str]
    schema: dict[str, JsonValue]
    outputs: OutputRule


class _RequiredReplication(TypedDict):
    results: int


class Replication(_RequiredReplication, total=False):
    """A job needs so many agreeing results of different hosts. compare: "json", "sha256" or the words of a command."""

    compare: str | list[str]
    adaptive: bool


class StageRules(TypedDict):
    """The response of /rules/<stage>. set_aside: hosts whose jobs fail get no jobs."""

    stage: int
    check: Check | None
    replication: Replication | None
    set_aside: bool


class EarlierResult(TypedDict):
    """The result of another host for the same job."""

    number: int
    filename: str | None
    outputs: list[Output] | None
    result: JsonValue


class Comparison(TypedDict):
    """How a worker compares its result with those of other hosts."""

    command: list[str]
    results: list[EarlierResult]


class UpdateBody(TypedDict, total=False):
    """The body of /update_job. condition: why the attempt did not succeed. retry: False if another attempt would fail
    too. passed: the verdict of the stage's check. agrees_with: the number of an earlier result that is the same."""

    filename: str | None
    jobcmd: JsonValue
    result: JsonValue
    error: str | None
    outputs: list[Output]
    condition: Literal["error", "timeout", "interrupted", "invalid"]
    retry: bool
    passed: bool
    agrees_with: int


class _RequiredUpdatedJob(TypedDict):
    message: str
    jobid: int
    jobstage: int


class UpdatedJob(_RequiredUpdatedJob, total=False):
    """A job whose claim ended. failed: present if it has no attempts left and stays, flagged. replaced: present if the
    agreeing result of another host was accepted; the worker does not publish its own files."""

    failed: Literal[True]
    replaced: Literal[True]


class UpdateResponse(UpdatedJob, total=False):
    """The response of /update_job. next: present if requested."""

    next: ClaimedJob | NoJob


class _RequiredReportEntry(TypedDict):
    jobid: int
    jobstage: int


class ReportEntry(_RequiredReportEntry, UpdateBody, total=False):
    """One report of the list that /update_jobs takes."""

    claim: str | None


@final  # lets mypy tell it from RefusedReport by its keys
class AcceptedReport(UpdatedJob):
    """The outcome of a report that the server accepted. status: 200."""

    status: int


@final
class RefusedReport(Error):
    """The outcome of a report that the server refused. status: as of HTTP."""

    jobid: int
    status: int


ReportOutcome = AcceptedReport | RefusedReport


class _RequiredUpdateJobsResponse(TypedDict):
    jobs: list[ReportOutcome]


class UpdateJobsResponse(_RequiredUpdateJobsResponse, total=False):
    """The response of /update_jobs: an outcome for each report, in order. next: present if requested."""

    next: list[ClaimedJob]


class HeldClaim(TypedDict):
    """One claim of the list that /heartbeat takes."""

    jobid: int
    claim: str


class _RequiredRenewedClaim(TypedDict):
    jobid: int
    state: str
    deadline: str | None


class RenewedClaim(_RequiredRenewedClaim, total=False):
    """The state of one claim after a heartbeat: held, lost or cancel. deadline: ISO 8601 in UTC, or None. unclaimed:
    present if the result of a lost claim would be accepted, because nobody has claimed the job since."""

    unclaimed: bool


class HeartbeatResponse(TypedDict):
    """The response of /heartbeat: the claims in the order of the request."""

    jobs: list[RenewedClaim]
