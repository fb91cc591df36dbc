"""An operator's actions on several jobs: the jobs of a request, and the result."""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from jobserver.core.errors import JobServerError

CLAIM_ID_DIGITS = 20
UNCLAIMED = ""  # instead of a claim_id()


def claim_id(token: str | None) -> str:
    """Returns a name of a claim that pages may show, unlike its token; UNCLAIMED without one. It never repeats, while
    stages and attempts do, after a retry."""
    return UNCLAIMED if token is None else hashlib.sha256(token.encode()).hexdigest()[:CLAIM_ID_DIGITS]


class Target(NamedTuple):
    """A job of a request. `stage`, `claim`: where the operator saw it, and the claim_id() that held it, UNCLAIMED
    without one; if they have changed since, the job is not changed. None: any."""

    jobid: int
    stage: int | None = None
    claim: str | None = None


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
