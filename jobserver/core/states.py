"""The state of a job, as explicit columns, the table of allowed transitions, and the events that record each change.

A job's place is its stage (`stages.py`): even, it is available or done; odd, a worker holds it. The other columns
hold the rest of the state. docs/states.md and a property test are derived from TRANSITIONS.
"""

from enum import Enum
from typing import NamedTuple


class Hold(str, Enum):
    """Why a job in an even stage may not be claimed now."""

    NONE = "none"
    DEPENDENCIES = "dependencies"
    PAUSED = "paused"
    DELAYED = "delayed"
    DISABLED = "disabled"
    QUOTA = "quota"
    REPLICATION = "replication"  # another host must confirm the results of the stage


class Phase(str, Enum):
    """The activity that the holder of a claim reports."""

    NONE = "none"
    ACCEPTED = "accepted"
    STAGING_IN = "staging_in"
    SUBMITTING = "submitting"
    QUEUED = "queued"
    RUNNING = "running"
    STAGING_OUT = "staging_out"


class Outcome(str, Enum):
    """How a job ended without success. Success has no value here: a job is done in the last stage of its list,
    and the last stage may change."""

    NONE = "none"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Condition(str, Enum):
    """Why a job failed, was cancelled or was skipped."""

    NONE = "none"
    ERROR = "error"  # its worker reported an error
    TIMEOUT = "timeout"  # its lifetime in the stage ended
    LOST = "lost"  # its worker did not renew the lease
    INVALID = "invalid"  # its result did not pass the check of the stage
    INTERRUPTED = "interrupted"  # its worker had to end; not a failure
    CANCELLED_BY_USER = "cancelled_by_user"
    SKIPPED = "skipped"  # by a person; the job counts as done
    FAILED_BY_USER = "failed_by_user"


class EventKind(str, Enum):
    """The kind of a change. Each change of a job's state is one event."""

    CREATED = "created"  # a list
    SUBMITTED = "submitted"  # jobs; one event for each request and stage
    CLAIMED = "claimed"
    COMPLETED = "completed"
    RELEASED = "released"  # returned by its worker
    INCONCLUSIVE = "inconclusive"  # its result was stored; another host must confirm it
    PAUSE_ENDED = "pause_ended"  # available again, after a failure
    RENEWED = "renewed"  # no longer overdue: by a heartbeat, or by a longer lifetime
    EXPIRED = "expired"  # overdue, in the same stage
    REQUEUED = "requeued"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CANCEL_REQUESTED = "cancel_requested"
    SKIPPED = "skipped"  # moved to the last stage without work
    DELETED = "deleted"  # jobs; one event for each request
    PRIORITY = "priority"
    LIFETIME = "lifetime"  # of a stage
    RULES = "rules"  # of a stage
    SET_ASIDE = "set_aside"  # a host: it gets no jobs of a stage
    NOT_SET_ASIDE = "not_set_aside"  # a host that fails, because other hosts fail, too
    READMITTED = "readmitted"  # a host that was set aside
    PAUSED = "paused"  # a list
    RESUMED = "resumed"
    ARCHIVED = "archived"  # a list
    RESTORED = "restored"
    LIST_DELETED = "list_deleted"


class Status(Enum):
    """The states that the columns stage, overdue and outcome can express together."""

    AVAILABLE = "available"  # even stage; also done jobs
    AVAILABLE_OVERDUE = "available, overdue"
    WORKING = "working"  # odd stage
    WORKING_OVERDUE = "working, overdue"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Transition(NamedTuple):
    """One allowed change of a job's status."""

    kind: EventKind
    before: Status
    after: Status


CLAIM_ENDS = frozenset(  # the events that end a claim, or request its end
    {
        EventKind.COMPLETED,
        EventKind.RELEASED,
        EventKind.REQUEUED,
        EventKind.FAILED,
        EventKind.CANCELLED,
        EventKind.CANCEL_REQUESTED,
        EventKind.SKIPPED,
        EventKind.DELETED,
    }
)
CHANGES_NO_STATUS = frozenset({EventKind.PRIORITY, EventKind.CANCEL_REQUESTED, EventKind.PAUSE_ENDED})
_WAITING = (Status.AVAILABLE, Status.AVAILABLE_OVERDUE)
_WORKING = (Status.WORKING, Status.WORKING_OVERDUE)
_ENDED = (Status.FAILED, Status.CANCELLED)

TRANSITIONS = frozenset(
    [
        *(Transition(EventKind.CLAIMED, s, Status.WORKING) for s in _WAITING),
        *(Transition(EventKind.COMPLETED, s, Status.AVAILABLE) for s in _WORKING),
        *(Transition(EventKind.RELEASED, s, Status.AVAILABLE) for s in _WORKING),
        *(Transition(EventKind.INCONCLUSIVE, s, Status.AVAILABLE) for s in _WORKING),
        Transition(EventKind.RENEWED, Status.WORKING_OVERDUE, Status.WORKING),
        Transition(EventKind.RENEWED, Status.AVAILABLE_OVERDUE, Status.AVAILABLE),
        # a late result, which restores its claim
        *(Transition(EventKind.RENEWED, s, Status.WORKING) for s in (Status.AVAILABLE, Status.FAILED)),
        Transition(EventKind.EXPIRED, Status.AVAILABLE, Status.AVAILABLE_OVERDUE),
        Transition(EventKind.EXPIRED, Status.WORKING, Status.WORKING_OVERDUE),
        *(Transition(EventKind.REQUEUED, s, Status.AVAILABLE) for s in (*_WAITING, *_WORKING, *_ENDED)),
        *(Transition(EventKind.FAILED, s, Status.FAILED) for s in _WORKING),
        *(Transition(EventKind.CANCELLED, s, Status.CANCELLED) for s in (*_WAITING, *_WORKING)),
        *(Transition(EventKind.SKIPPED, s, Status.AVAILABLE) for s in (*_WAITING, *_WORKING, *_ENDED)),
    ]
)

_AFTER = {(transition.kind, transition.before): transition.after for transition in TRANSITIONS}


def follow(kind: EventKind, before: Status) -> Status | None:
    """Returns the status after an event; None if the table does not allow the event in this status."""
    if kind in CHANGES_NO_STATUS:
        return before
    return _AFTER.get((kind, before))


def status(stage: int, overdue: bool, outcome: Outcome) -> Status:
    """Returns the status that the columns of a job express."""
    if outcome is not Outcome.NONE:
        return Status.FAILED if outcome is Outcome.FAILED else Status.CANCELLED
    if stage % 2:
        return Status.WORKING_OVERDUE if overdue else Status.WORKING
    return Status.AVAILABLE_OVERDUE if overdue else Status.AVAILABLE


class Move(NamedTuple):
    """A job moved by a statement: the columns before and after, and the claim that ended."""

    row_id: int
    list_id: int
    jobid: int
    from_stage: int
    to_stage: int
    was_flagged: int  # 0 or 1: overdue, failed or cancelled
    previous_outcome: str  # a value of Outcome
    outcome: str
    claim: str | None
    claimed_at: int | None  # ms
    worker: str | None


class Event(NamedTuple):
    """The same change of one or more jobs of a list, or a change of the list. The history, the log line and the wake-up
    of long polls are derived from it. It holds no secrets, tokens or job content."""

    list_id: int
    kind: EventKind
    jobids: tuple[int, ...] = ()
    jobs: int = 0
    from_stage: int | None = None
    to_stage: int | None = None
    worker: str | None = None
    actor: str | None = None
    message: str | None = None
