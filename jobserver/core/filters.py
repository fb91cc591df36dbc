"""Which jobs of a list a page or a command shows, and in which order."""

from dataclasses import dataclass
from typing import NamedTuple

STATES = ("available", "working", "done", "expired", "failed")
SORTS = ("job", "stage", "since", "attempt", "priority", "worker")


@dataclass(frozen=True)
class Filter:
    """Which jobs: each part that is not None must hold. `text`: in jobcmd or path, case ignored for a to z."""

    stage: int | None = None
    state: str | None = None
    worker: str | None = None
    jobid: int | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return self != Filter()


class Sort(NamedTuple):
    """In which order: one of SORTS, downwards or up."""

    by: str
    down: bool = False
