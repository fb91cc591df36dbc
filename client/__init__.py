"""The client of job_manager: claim jobs from a server, do them, and report how they ended.

client = JobClient("http://127.0.0.1:5000", jobix)
Worker(client, 0, lambda job: len(job.jobcmd["file"])).run()
"""

import importlib.util
import sys

from .errors import MISSING_LIBRARY

if importlib.util.find_spec("requests") is None:  # before the imports below, which would fail
    if sys.argv[:1] == ["-m"]:  # python -m client: a person gets one line instead of a traceback
        print(f"error: {MISSING_LIBRARY}", file=sys.stderr)
        raise SystemExit(2)
    raise ModuleNotFoundError(MISSING_LIBRARY, name="requests")

from .api.job_client import JobClient
from .api.responses import (
    CheckResponse,
    JobChanges,
    Lifetime,
    Outcome,
    Progress,
    Refusal,
    Renewed,
    SetResponse,
    StageCount,
    UpdateResponse,
)
from .api.types import UNSET, Done, Job, Report
from .errors import (
    AllFailed,
    BadAddress,
    BadContext,
    BadJobix,
    BadRequest,
    BadSource,
    BadTemplate,
    ClaimLost,
    ClaimSpent,
    ClientError,
    Conflict,
    DoNotRetry,
    ListDeleted,
    NoBatchJob,
    NoSuchJob,
    NotAJobServer,
    Refused,
    ResponseLost,
    ServerFailed,
    ServerUnreachable,
    TooLarge,
    Undelivered,
    UntrustedServer,
    WrongSecret,
    WrongStage,
)
from .worker.failure_guard import Tally
from .worker.worker import Worker

__all__ = [
    "UNSET",
    "AllFailed",
    "BadAddress",
    "BadContext",
    "BadJobix",
    "BadRequest",
    "BadSource",
    "BadTemplate",
    "CheckResponse",
    "ClaimLost",
    "ClaimSpent",
    "ClientError",
    "Conflict",
    "DoNotRetry",
    "Done",
    "Job",
    "JobChanges",
    "JobClient",
    "Lifetime",
    "ListDeleted",
    "NoBatchJob",
    "NoSuchJob",
    "NotAJobServer",
    "Outcome",
    "Progress",
    "Refusal",
    "Refused",
    "Renewed",
    "Report",
    "ResponseLost",
    "ServerFailed",
    "ServerUnreachable",
    "SetResponse",
    "StageCount",
    "Tally",
    "TooLarge",
    "Undelivered",
    "UntrustedServer",
    "UpdateResponse",
    "Worker",
    "WrongSecret",
    "WrongStage",
]
