"""What a caller of this package can catch; each message says what to do next.

ClientError
├── BadJobix             the secret is missing, isn't a whole number from 0 to 2^63-1, or is no list's
├── BadAddress           the URL, or the CA file, can't be used
├── BadSource            a file of jobs can't be read
├── BadTemplate          a command line has a field that isn't offered
├── UntrustedServer      TLS: the server's certificate isn't to be trusted
├── NotAJobServer        something answers there, but not a job server
├── ServerUnreachable    no answer, or "later", for longer than `retry_for_s`
├── AnswerLost           a request that must not be repeated was sent, and its answer did not come
├── AllFailed            a worker's first jobs all failed, so that it is rather the work that is wrong
├── Undelivered          the worker had to end with something that the server does not know yet
└── Refused              the server said no: `.status`, `.code`
    ├── BadRequest       400
    ├── WrongSecret      403
    ├── NoSuchJob        404
    ├── Conflict         409
    │   ├── WrongStage   the job is not where the request thinks it is
    │   ├── ClaimLost    somebody else has the job now, or nobody
    │   └── ClaimSpent   a token for /get that was used before and holds nothing any more
    ├── TooLarge         413
    └── ServerFailed     500 and other answers that a retry won't mend
"""

from __future__ import annotations


class ClientError(Exception):
    """Anything that this package raises on purpose."""


class BadJobix(ClientError):
    """The secret is missing, isn't a whole number from 0 to 2^63-1, or is no list's. The message never repeats it."""


class BadAddress(ClientError):
    """The URL, or the CA file, can't be used."""


class BadSource(ClientError):
    """A file of jobs can't be read; the message names file and line."""


class BadTemplate(ClientError):
    """A command line or filename has a field that isn't offered, or a job lacks it."""


class UntrustedServer(ClientError):
    """The server's certificate isn't signed by an authority that this machine knows."""


class NotAJobServer(ClientError):
    """Something answers at that URL, but not as a job server does."""


class ServerUnreachable(ClientError):
    """No answer, or "later" (429, 502, 503, 504, a proxy's 500), for longer than `retry_for_s`."""


class AnswerLost(ClientError):
    """A request without a claim was sent and its answer did not come: it may or may not have been done."""


class AllFailed(ClientError):
    """A worker's first attempts all failed and no job was done: before it fails them all, it ends."""


class Undelivered(ClientError):
    """The worker had to end with something that the server does not know yet; the message says what."""


class Refused(ClientError):
    """The server said no. `status`: of HTTP; `code`: the protocol's word for it, such as "claim_lost"."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class BadRequest(Refused):
    """400: the server can't read the request."""


class WrongSecret(Refused):
    """403: the jobix is missing, or unknown where the server is closed."""


class NoSuchJob(Refused):
    """404: the list has no such job."""


class Conflict(Refused):
    """409: the job is not as the request thinks it is. Nothing was changed."""


class WrongStage(Conflict):
    """The job is not in a stage from which it could go there; the message says which would do."""


class ClaimLost(Conflict):
    """The claim is no longer held: the job was degraded, released or given to another."""


class ClaimSpent(Conflict):
    """A token for /get that was used before and holds nothing any more: make a new one."""


class TooLarge(Refused):
    """413: the body is larger than the server takes."""


class ServerFailed(Refused):
    """Any other refusal, such as 500: see the server's log."""


_BY_STATUS: dict[int, type[Refused]] = {
    400: BadRequest,
    403: WrongSecret,
    404: NoSuchJob,
    409: Conflict,
    413: TooLarge,
}
_BY_CODE: dict[str, type[Refused]] = {"wrong_stage": WrongStage, "claim_lost": ClaimLost, "claim_spent": ClaimSpent}


def refused(status: int, code: str, message: str) -> Refused:
    """The exception for an answer of that status and code."""
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, ServerFailed)
    return kind(message, status, code)
