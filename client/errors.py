"""The exceptions of this package; each message says what to do next.

ClientError
├── BadJobix             the secret key is missing, is not a whole number from 0 to 2^63-1, or belongs to no list
├── BadAddress           the URL, or the CA file, cannot be used
├── BadContext           the saved context of `jm login` cannot be used
├── BadSource            a file of jobs cannot be read
├── BadTemplate          a command line has an unknown field
├── NoBatchJob           the end of the batch system's job, which `--stop-before` needs, is unknown
├── UntrustedServer      TLS: the server's certificate is not trusted
├── NotAJobServer        the response is not one of a job server
├── ServerUnreachable    no response, or a temporary failure, for longer than `retry_for_s`
├── ResponseLost         a request that must not be repeated was sent, and its response was lost
├── AllFailed            the first jobs of a worker all failed: the command is probably broken
├── Undelivered          the worker had to end before the server accepted a report
└── Refused              the server refused the request: `.status`, `.code`
    ├── BadRequest       400
    ├── WrongSecret      403
    ├── NoSuchJob        404
    ├── Conflict         409
    │   ├── WrongStage   the job is not in the stage that the request requires
    │   ├── ClaimLost    another worker has the job now, or none
    │   └── ClaimSpent   the token of a claim was used before, and holds no job any more
    ├── TooLarge         413
    └── ServerFailed     500 and other errors that a retry does not solve
"""

from __future__ import annotations

import shlex
import sys

LIBRARIES = ("requests", "rich", "shtab")

MISSING_LIBRARY = (
    f"a library is missing: {shlex.join([sys.executable or 'python3', '-m', 'pip', 'install', *LIBRARIES])}"
)

MISSING_SCHEMA_LIBRARY = (
    "the check of the stage has a JSON schema, and the library jsonschema is missing: "
    + shlex.join([sys.executable or "python3", "-m", "pip", "install", "jsonschema"])
    + " (the extra `checks` of job_manager contains it)"
)


class ClientError(Exception):
    """Any error that this package raises on purpose."""


class BadJobix(ClientError):
    """The secret key is missing or wrong, or other users can read its file. The message never contains the key."""


class BadAddress(ClientError):
    """The URL, or the CA file, cannot be used."""


class BadContext(ClientError):
    """The context that `jm login` saved cannot be read or written."""


class BadSource(ClientError):
    """A file of jobs cannot be read; the message names file and line."""


class BadTemplate(ClientError):
    """A command line or filename has an unknown field, or a field that the job lacks."""


class NoBatchJob(ClientError):
    """The end of the batch system's job is unknown; the message names where it was looked for."""


class UntrustedServer(ClientError):
    """The server's certificate is not signed by an authority that this machine trusts."""


class NotAJobServer(ClientError):
    """The response is not one of a job server: not the protocol's JSON, or larger than any job server's."""


class ServerUnreachable(ClientError):
    """No response, or a temporary failure (429, 502, 503, 504, a proxy's 500), for longer than `retry_for_s`."""


class ResponseLost(ClientError):
    """The response to a request without a claim was lost: the request may or may not have been handled."""


class AllFailed(ClientError):
    """The first attempts of a worker all failed and no job was done, so it ended before it failed all jobs."""


class DoNotRetry(Exception):
    """Raised by a worker's function: this attempt failed, and another would fail too, because of its input for example.

    It is not a ClientError: this package never raises it.
    """


class Undelivered(ClientError):
    """The worker had to end before the server accepted a report; the message contains the report."""


class Refused(ClientError):
    """The server refused the request. status: of HTTP; code: the protocol's error code, such as "claim_lost"."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class BadRequest(Refused):
    """400: the request is invalid."""


class WrongSecret(Refused):
    """403: the jobix is missing, or unknown to a closed server."""


class NoSuchJob(Refused):
    """404: the list has no such job."""


class Conflict(Refused):
    """409: the request conflicts with the current state of the job. Nothing was changed."""


class WrongStage(Conflict):
    """The job cannot move from its stage to the requested one; the message names the possible stages."""


class ClaimLost(Conflict):
    """The claim is no longer held: the job was moved back, released or claimed by another worker."""


class ClaimSpent(Conflict):
    """The token of a /get was used before, and holds no job any more: use a new one."""


class ListDeleted(Refused):
    """410: the list was deleted, and its jobix cannot be used again."""


class TooLarge(Refused):
    """413: the body is larger than the server accepts."""


class ServerFailed(Refused):
    """Any other error, such as 500: see the server's log."""


_BY_STATUS: dict[int, type[Refused]] = {
    400: BadRequest,
    403: WrongSecret,
    404: NoSuchJob,
    409: Conflict,
    410: ListDeleted,
    413: TooLarge,
}
_BY_CODE: dict[str, type[Refused]] = {"wrong_stage": WrongStage, "claim_lost": ClaimLost, "claim_spent": ClaimSpent}


def refused(status: int, code: str, message: str) -> Refused:
    """The exception for a response with that status and code."""
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, ServerFailed)
    return kind(message, status, code)
