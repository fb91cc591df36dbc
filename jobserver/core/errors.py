"""The exceptions of the server, and the logging of unexpected errors. web/errors.py maps exceptions to HTTP statuses.

JobServerError
├── BadRequest              the request cannot be parsed, or breaks a rule of the stages
│   └── BodyLost            the body ended early, or its framing is malformed
├── TooLarge                a body beyond max_body_mb, after inflation
├── Forbidden
│   ├── HostNotAllowed      the request names a host that is not a name of the server
│   ├── JobixMissing        the request has no key
│   ├── JobixUnknown        the server is closed and no list has this key
│   ├── NotSignedIn         a page action by a browser that is not signed in
│   └── CsrfMismatch        a form of another site, or an old one
├── TooManyWrongSecrets     one address guesses keys
├── NotFound
│   ├── NoSuchJob
│   └── NoSuchList          for pages and commands, which name a list
├── Conflict
│   ├── WrongStage          the job is not in the expected stage
│   ├── ClaimLost           the claim is no longer held
│   ├── ClaimSpent          a claim token that was used for an earlier claim
│   ├── NameTaken
│   ├── ListArchived        the list may not be changed
│   ├── ListInUse           workers hold jobs of the list
│   └── IdTaken             a submitted job has the id of a job with another name
├── ListDeleted             the list of this key was deleted
├── Unavailable             try again after retry_after_s
│   ├── DatabaseBusy
│   ├── DatabaseLost        the database file was deleted or replaced
│   ├── DiskFull
│   ├── ServerBusy          other requests use the memory or the connections
│   ├── OutcomeUnknown      the only one after which a change may have been made
│   └── ShuttingDown
└── CannotStart             a setting, a file or a database is unfit
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command such as `jobserver --help` needs no log
    import logging


class JobServerError(Exception):
    """The base class. The message names the problem and the remedy; it never holds a secret."""

    code = "error"


class BadRequest(JobServerError):
    """The request cannot be parsed."""

    code = "bad_request"


class BodyLost(BadRequest):
    """The end of the body cannot be found, so the connection cannot be used for another request."""


class TooLarge(JobServerError):
    """A body is larger than max_body_mb after inflation."""

    code = "too_large"


class Forbidden(JobServerError):
    """The request proves no right to a list."""


class HostNotAllowed(Forbidden):
    """The header `Host` is not a name of this server."""

    code = "host_not_allowed"


class JobixMissing(Forbidden):
    """The header `jobix` is missing."""

    code = "jobix_missing"


class JobixUnknown(Forbidden):
    """The server is closed, and no list has this `jobix`."""

    code = "jobix_unknown"


class NotSignedIn(Forbidden):
    """The browser that sent a page's action is not signed in to the list."""

    code = "not_signed_in"


class CsrfMismatch(Forbidden):
    """A form that is not from a page of this server, or is too old."""

    code = "csrf_mismatch"


class TooManyWrongSecrets(JobServerError):
    """One address sent too many unknown keys within a minute."""

    code = "too_many_wrong_secrets"
    retry_after_s = 60


class NotFound(JobServerError):
    """The list, job or page in the request does not exist."""


class NoSuchJob(NotFound):
    """The list has no job with that id."""

    code = "no_such_job"


class NoSuchList(NotFound):
    """No list has that name."""

    code = "no_such_list"


class Conflict(JobServerError):
    """The request conflicts with the current state of the job or list."""


class WrongStage(Conflict):
    """The stage of the job does not allow this change."""

    code = "wrong_stage"


class ClaimLost(Conflict):
    """The claim token of the request does not hold the job."""

    code = "claim_lost"


class ClaimSpent(Conflict):
    """The claim token was used for an earlier claim, which has ended."""

    code = "claim_spent"


class NameTaken(Conflict):
    """Another list has that public name."""

    code = "name_taken"


class IdTaken(Conflict):
    """A submitted job has the id of a job with another name."""

    code = "id_taken"


class ListArchived(Conflict):
    """The list is archived, so it may not be changed."""

    code = "list_archived"


class ListInUse(Conflict):
    """Workers hold jobs of a list that is to be archived or deleted."""

    code = "list_in_use"


class ListDeleted(JobServerError):
    """The list of this key was deleted."""

    code = "list_deleted"


class Unavailable(JobServerError):
    """The server cannot handle the request now; nothing was changed (but see OutcomeUnknown)."""

    retry_after_s = 1


class DatabaseBusy(Unavailable):
    """The database is locked by another process, full, or unreachable."""

    code = "database_busy"


class OutcomeUnknown(Unavailable):
    """The database was lost, or its flush failed, in the middle of a commit."""

    code = "outcome_unknown"


class DatabaseLost(Unavailable):
    """The database file was deleted or replaced under the running server."""

    code = "database_lost"
    retry_after_s = 30


class DiskFull(Unavailable):
    """There is no room for temporary files."""

    code = "disk_full"


class ServerBusy(Unavailable):
    """Other requests use the memory or the connections of the server."""

    code = "server_busy"


class ShuttingDown(Unavailable):
    """The server is shutting down."""

    code = "shutting_down"
    retry_after_s = 2


class CannotStart(JobServerError):
    """The server refuses to start; one line says why."""

    code = "cannot_start"


def log_fault(log: logging.Logger, activity: str, error: BaseException) -> None:
    """Logs an unexpected error: its traceback and the first line of its message. PostgreSQL's further lines show the
    row, which holds the content of a job."""
    import traceback

    message = str(error).partition("\n")[0]
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s: %s\n%s", activity, type(error).__name__, message, where)
