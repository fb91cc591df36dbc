"""The counts of one run, and the guard that ends a run in which every attempt fails."""

from __future__ import annotations

from dataclasses import dataclass

from ..api.types import Done, Job
from ..errors import AllFailed
from .attempt import Ending, Failed

FAILURES = 5  # more would use up the attempts of the whole list
FAILURES_OF_ONE_JOB = 10  # if all of them are of one job, which may be a bad one
CANCELLED = Failed("cancelled")


@dataclass
class Tally:
    """What a worker did. failed: attempts that failed; given_back: unfinished; lost: claims that were lost;
    cancelled: jobs that an operator cancelled.

    signum: the signal that ended the run, if one did.
    """

    done: int = 0
    failed: int = 0
    given_back: int = 0
    lost: int = 0
    cancelled: int = 0
    signum: int | None = None


class FailureGuard:
    """Counts failures until a job is done. If every first attempt fails, the command is probably broken."""

    def __init__(self) -> None:
        self._failed: list[int] = []
        self._done = False
        self._last = ""

    def count(self, job: Job, ending: Ending) -> None:
        """Counts how a job ended."""
        if isinstance(ending, Done):
            self._done = True
        elif isinstance(ending, Failed) and ending is not CANCELLED:
            self._failed.append(job.jobid)
            self._last = f"The last, of job {job.jobid}: {first_line(ending.error)}. Fix it and restart"

    @property
    def must_stop(self) -> bool:
        """Whether the run should end."""
        limit = FAILURES_OF_ONE_JOB if len(set(self._failed)) == 1 else FAILURES
        return not self._done and len(self._failed) >= limit

    def error(self) -> AllFailed:
        """The error of a run that must stop."""
        return AllFailed(f"stopped after {len(self._failed)} failures without a job done. {self._last}")


def first_line(text: str) -> str:
    """The first line of an error message."""
    return text.partition("\n")[0]
