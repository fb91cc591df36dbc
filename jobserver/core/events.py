"""The description of a change, from which the history, the log line and the wake-up of long polls are derived."""

from typing import NamedTuple

from jobserver.core.states import EventKind


class Move(NamedTuple):
    """A job moved by a statement: the columns before and after, and the claim that ended."""

    row_id: int
    list_id: int
    jobid: int
    from_stage: int
    to_stage: int
    was_flagged: int  # 0 or 1: overdue, failed or cancelled
    was_ended: int  # 0 or 1: failed or cancelled
    is_ended: int
    claim: str | None
    claimed_at: int | None  # ms
    worker: str | None


class Event(NamedTuple):
    """The same change of one or more jobs of a list, or a change of the list. No secrets, tokens or job content."""

    list_id: int
    kind: EventKind
    jobids: tuple[int, ...] = ()
    jobs: int = 0
    from_stage: int | None = None
    to_stage: int | None = None
    worker: str | None = None
    actor: str | None = None
    message: str | None = None
