"""Failures without a job done: it is rather the work that is wrong than the jobs."""

from __future__ import annotations

from .attempt import Ending, Failed
from .errors import AllFailed
from .job import Done, Job

FAILURES = 5  # more would fail the whole list
OF_ONE_JOB = 10  # the same where all of them were of one job, which may be a bad one
CANCELLED = Failed("cancelled")


class InVain:
    """The failures of one run, until a job is done."""

    def __init__(self) -> None:
        self._failed: list[int] = []
        self._done = False
        self._last = ""

    def count(self, job: Job, ending: Ending) -> None:
        """Takes note of how a job ended."""
        if isinstance(ending, Done):
            self._done = True
        elif isinstance(ending, Failed) and ending is not CANCELLED:
            self._failed.append(job.jobid)
            self._last = (
                f"the last, of job {job.jobid}: {first_line(ending.error)}; mend it and start again. "
                f"`check {job.working_stage} {job.stage}` sends back what failed for good"
            )

    @property
    def enough(self) -> bool:
        """Whether there is no sense in going on."""
        return not self._done and len(self._failed) >= (OF_ONE_JOB if len(set(self._failed)) == 1 else FAILURES)

    def all_failed(self) -> AllFailed:
        """What to raise then."""
        return AllFailed(f"stopped: {len(self._failed)} failures in a row and no job done; {self._last}")


def first_line(text: str) -> str:
    """Of an error's message."""
    return text.partition("\n")[0]
