"""What is told after a commit: a line in the log; a word to those who wait for a job, and to those who tell pages."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from jobserver.feed.long_poll import LongPolls

log = logging.getLogger("jobserver")


class Change(NamedTuple):
    """Jobs that went from one stage to another, or came. Never holds a secret, a token, or what a job is about."""

    list_id: int
    verb: str
    jobids: tuple[int, ...]
    stage: int | None
    to: int
    jobs: int = 0
    worker: str | None = None

    def __str__(self) -> str:
        jobs = self.jobs or len(self.jobids)
        named = ", ".join(map(str, self.jobids[:5])) + (", …" if len(self.jobids) > 5 else "")
        what = f"job {named}" if jobs == 1 and named else f"{jobs} job{'s' * (jobs != 1)}" + f" ({named})" * bool(named)
        way = f"to {self.to}" if self.stage is None else f"from {self.stage} to {self.to}"
        return f"list {self.list_id}: {what} {self.verb}, {way}" + (f", by {self.worker}" if self.worker else "")


class NewList(NamedTuple):
    """A list that didn't exist before."""

    list_id: int
    name: str

    def __str__(self) -> str:
        return f"list {self.list_id}: made, named {self.name}"


class Said(NamedTuple):
    """Anything else that a person did to a list. `wakes`: those who wait for a job there shall look again."""

    list_id: int
    what: str
    wakes: bool = False

    def __str__(self) -> str:
        return f"list {self.list_id}: {self.what}"


class Events:
    """Tells of what was committed."""

    def __init__(self, waiting: LongPolls) -> None:
        self._waiting = waiting

    def tell(self, notes: Iterable[Change | NewList | Said]) -> None:
        """Tells of each, once it is committed."""
        for note in notes:
            log.info("%s", note)
            if isinstance(note, NewList):
                self._waiting.wake_for_new_list()
            elif isinstance(note, Said):
                if note.wakes:
                    self._waiting.wake_list(note.list_id)
            elif note.to % 2 == 0:
                self._waiting.wake(note.list_id, note.to, note.jobs or len(note.jobids))
