"""An operator's actions on several jobs: the jobs of a request, and the result."""

from dataclasses import dataclass, field
from typing import NamedTuple

from jobserver.core.errors import JobServerError


class Target(NamedTuple):
    """A job of a request. `stage`, `attempt`: where the operator saw it; if it has moved since, it is not changed.
    None: wherever it is."""

    jobid: int
    stage: int | None = None
    attempt: int | None = None


class Refused(NamedTuple):
    """A job that was not changed, and the reason."""

    jobid: int
    error: JobServerError


@dataclass
class Changes:
    """The result of an action. `jobs`: the number of changed jobs; `requested`: running jobs whose worker must stop."""

    jobs: int = 0
    requested: int = 0
    refused: list[Refused] = field(default_factory=list)

    def add(self, other: "Changes") -> None:
        """Adds the result of a later step."""
        self.jobs += other.jobs
        self.requested += other.requested
        self.refused += other.refused
