"""The filter and the order of the jobs on a page or in a command."""

from dataclasses import dataclass
from typing import NamedTuple

STATES = ("available", "working", "done", "expired", "failed")
SORTS = ("job", "stage", "since", "attempt", "priority", "worker")


@dataclass(frozen=True)
class Filter:
    """A job matches if all conditions that are not None hold. `text`: in jobcmd or path, case ignored for a to z."""

    stage: int | None = None
    state: str | None = None
    worker: str | None = None
    jobid: int | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return self != Filter()


class Sort(NamedTuple):
    """The order: `by` is one of SORTS; `down`: descending."""

    by: str
    down: bool = False
