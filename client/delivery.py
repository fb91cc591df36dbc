"""Reports on their way to the server: tried until they arrive, and shown to a person if they can't."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .answers import Outcome
from .api import JobClient
from .asking import Asking
from .attempt import bounded
from .errors import ClientError, TooLarge, Undelivered
from .job import Job, Report, as_json
from .stopping import Stopping

PATIENCE_S = 2.0  # with a report that is on its way at the second signal
FEW = 20  # undelivered reports are shown in full


class Delivery:
    """Delivers reports of one worker."""

    def __init__(self, client: JobClient, stopping: Stopping) -> None:
        self._client = client
        self._stopping = stopping

    def deliver(self, reports: Sequence[Report], stage: int, n: int) -> tuple[list[Outcome], list[Job]]:
        """Tells the server, and claims up to n jobs of the stage along with it. The outcomes, in order, and the jobs.

        Raises Undelivered: the server never heard, or didn't understand.
        """
        asking = Asking(lambda: self._say(reports, stage, n), late=lambda answer: self.give_back(answer[1]))
        give_up_at = None
        while not asking.done():
            if self._stopping.now and give_up_at is None:
                give_up_at = time.monotonic() + PATIENCE_S
            if give_up_at is not None and time.monotonic() > give_up_at and asking.abandon():
                raise self.undelivered(reports, "a second signal ended the tries")
        try:
            return asking.answer()
        except TooLarge as problem:
            if len(reports) == 1:
                return [Outcome(reports[0].jobid, problem.status, str(problem), error=problem.code)], []
        except ClientError as problem:
            raise self.undelivered(reports, problem) from problem
        half = len(reports) // 2
        outcomes, _none = self.deliver(reports[:half], stage, 0)
        rest, jobs = self.deliver(reports[half:], stage, n)
        return outcomes + rest, jobs

    def give_back(self, jobs: Sequence[Job]) -> None:
        """Tells the server that nobody works on them."""
        if jobs:
            self._client.update_many(Report(job.jobid, job.stage, job.claim) for job in jobs)

    def undelivered(self, reports: Sequence[Report], why: object) -> Undelivered:
        """What the server does not know, in full as far as it fits on a screen, so that a person may tell it."""
        told = [
            f"job {report.jobid} goes to stage {report.jobstage} with {as_json(report.body()).decode()}"
            for report in reports[:FEW]
        ]
        more = f", and {len(reports) - FEW} more jobs" if len(reports) > FEW else ""
        said = self._client.without_secret(bounded("; ".join(told)))
        each = "The job" if len(reports) == 1 else "Each"
        return Undelivered(
            f"UNDELIVERED: the server was not told that {said}{more} "
            f"({why}). {each} will be done again once its lifetime is over"
        )

    def without_secret(self, text: str) -> str:
        """As JobClient has it."""
        return self._client.without_secret(text)

    def _say(self, reports: Sequence[Report], stage: int, n: int) -> tuple[list[Outcome], list[Job]]:
        return self._client.update_many(reports, next=stage if n else None, n=n or None)
