"""What can go wrong, as exceptions. No HTTP here: routes/errors.py holds the table from these to statuses.

JobServerError
├── BadRequest              the request can't be read, or asks for what no stage allows
│   └── BodyLost            the connection broke, or sent nonsense, in the middle of the body
├── TooLarge                a body beyond max_body_mb, after inflation
├── Forbidden
│   ├── HostNotAllowed      the request names a host that is not among the server's names
│   ├── JobixMissing        no secret came with the request
│   ├── JobixUnknown        the server is closed and knows no such list
│   ├── NotSignedIn         a page's action without its person
│   └── CsrfMismatch        a form that isn't ours
├── TooManyWrongSecrets     one address guesses secrets
├── NotFound
│   ├── NoSuchJob
│   └── NoSuchList          for pages and commands, which know lists by name
├── Conflict
│   ├── WrongStage          the job is not where the request thinks it is
│   ├── ClaimLost           the claim is no longer held
│   ├── ClaimSpent          a token for claiming that was used before and holds nothing any more
│   └── NameTaken
├── Unavailable             try again after retry_after_s
│   ├── DatabaseBusy
│   ├── DatabaseLost        the database file was deleted or replaced
│   ├── DiskFull
│   ├── ServerBusy          other requests use the memory, or the connections, that this one needs
│   ├── OutcomeUnknown      the only one after which something may have changed
│   └── ShuttingDown
└── CannotStart             a setting, a file or a database that the server refuses to start with
"""


class JobServerError(Exception):
    """The root. Its message tells the caller what is wrong and what to do; it never holds a secret."""

    code = "error"


class BadRequest(JobServerError):
    """The request can't be read."""

    code = "bad_request"


class BodyLost(BadRequest):
    """The body's end can't be found, so nothing that comes after it on this connection can be read either."""


class TooLarge(JobServerError):
    """A body is larger than max_body_mb after inflation."""

    code = "too_large"


class Forbidden(JobServerError):
    """The request doesn't prove a right to a list."""


class HostNotAllowed(Forbidden):
    """The header `Host` is not among the names of this server."""

    code = "host_not_allowed"


class JobixMissing(Forbidden):
    """The header `jobix` is missing."""

    code = "jobix_missing"


class JobixUnknown(Forbidden):
    """The server is closed, and no list has this `jobix`."""

    code = "jobix_unknown"


class NotSignedIn(Forbidden):
    """A page's action, and nobody is signed in to the list."""

    code = "not_signed_in"


class CsrfMismatch(Forbidden):
    """A form that is not from a page of this server, or is too old."""

    code = "csrf_mismatch"


class TooManyWrongSecrets(JobServerError):
    """One address sent too many unknown secrets within a minute."""

    code = "too_many_wrong_secrets"
    retry_after_s = 60


class NotFound(JobServerError):
    """What the request names does not exist."""


class NoSuchJob(NotFound):
    """The list has no job of that id."""

    code = "no_such_job"


class NoSuchList(NotFound):
    """No list has that name."""

    code = "no_such_list"


class Conflict(JobServerError):
    """The request was understood, and is refused because of where things stand."""


class WrongStage(Conflict):
    """The job is not in a stage from which this change is possible."""

    code = "wrong_stage"


class ClaimLost(Conflict):
    """The claim that the request proves itself with is not the one that holds the job."""

    code = "claim_lost"


class ClaimSpent(Conflict):
    """A chosen token was used for an earlier claim, which has ended."""

    code = "claim_spent"


class NameTaken(Conflict):
    """Another list has that public name."""

    code = "name_taken"


class Unavailable(JobServerError):
    """The server can't do it now; nothing was changed (but see OutcomeUnknown)."""

    retry_after_s = 1


class DatabaseBusy(Unavailable):
    """The database is locked by somebody else, full, or out of reach."""

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
    """Other requests use the memory, or the connections, that this one needs."""

    code = "server_busy"


class ShuttingDown(Unavailable):
    """The server is ending."""

    code = "shutting_down"
    retry_after_s = 2


class CannotStart(JobServerError):
    """The server refuses to start; one line says why."""

    code = "cannot_start"
