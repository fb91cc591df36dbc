"""job_manager's worker side: ask a job server for work, do it, and say how it went.

client = JobClient("http://127.0.0.1:5000", jobix)
Worker(client, 0, lambda job: len(job.jobcmd["file"])).run()
"""

from .needed import AS_COMMAND, need

need("requests", *(["rich"] if AS_COMMAND else []))  # before the imports below, which would fail

# ruff: noqa: E402
from .answers import (
    Lifetime,
    Outcome,
    Progress,
    Renewed,
    SetAnswer,
    StageCount,
    StagesAnswer,
    UpdateAnswer,
)
from .api import JobClient
from .errors import (
    AllFailed,
    AnswerLost,
    BadAddress,
    BadJobix,
    BadRequest,
    BadSource,
    BadTemplate,
    ClaimLost,
    ClaimSpent,
    ClientError,
    Conflict,
    NoSuchJob,
    NotAJobServer,
    Refused,
    ServerFailed,
    ServerUnreachable,
    TooLarge,
    Undelivered,
    UntrustedServer,
    WrongSecret,
    WrongStage,
)
from .job import UNSET, Done, Job, Report
from .tally import Tally
from .worker import Worker

__all__ = [
    "UNSET",
    "AllFailed",
    "AnswerLost",
    "BadAddress",
    "BadJobix",
    "BadRequest",
    "BadSource",
    "BadTemplate",
    "ClaimLost",
    "ClaimSpent",
    "ClientError",
    "Conflict",
    "Done",
    "Job",
    "JobClient",
    "Lifetime",
    "NoSuchJob",
    "NotAJobServer",
    "Outcome",
    "Progress",
    "Refused",
    "Renewed",
    "Report",
    "ServerFailed",
    "ServerUnreachable",
    "SetAnswer",
    "StageCount",
    "StagesAnswer",
    "Tally",
    "TooLarge",
    "Undelivered",
    "UntrustedServer",
    "UpdateAnswer",
    "Worker",
    "WrongSecret",
    "WrongStage",
]
