"""Reports how jobs ended: delivered until the server accepts or refuses them, or shown to a person if that fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from ..api.job_client import JobClient
from ..api.types import Done, Job, Outcome, Report, as_json
from ..errors import ClientError, TooLarge, Undelivered
from .attempt import Ending, Failed, bounded
from .background_request import BackgroundRequest
from .batch import NOT_STARTED, Endings
from .failure_guard import CANCELLED, FailureGuard, Tally, first_line
from .stopping import Stopping

log = logging.getLogger(__name__)

OK, NO_SUCH_JOB, CONFLICT = 200, 404, 409
LAST_REPORT_S = 2.0  # for a report that is being sent when the second signal arrives
MAX_SHOWN = 20  # undelivered reports


class Delivery:
    """Delivers the reports of one worker."""

    def __init__(self, client: JobClient, stopping: Stopping) -> None:
        self._client = client
        self._stopping = stopping

    def deliver(self, reports: Sequence[Report], stage: int, n: int) -> tuple[list[Outcome], list[Job]]:
        """Sends the reports and claims up to n jobs of the stage. Returns the outcomes, in order, and the jobs.

        Raises Undelivered if the server could not be reached or did not accept the request.
        """
        request = BackgroundRequest(
            lambda: self._client.update_many(reports, next=stage if n else None, n=n or None),
            late=lambda response: self.give_back(response[1]),
        )
        give_up_at = None
        while not request.done():
            if self._stopping.now and give_up_at is None:
                give_up_at = time.monotonic() + LAST_REPORT_S
            if give_up_at is not None and time.monotonic() > give_up_at and request.abandon():
                raise self.undelivered(reports, "a second signal ended the retries")
        try:
            return request.response()
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
        """Releases the claims on these jobs."""
        if jobs:
            self._client.update_many(Report(job.jobid, job.stage, job.claim) for job in jobs)

    def undelivered(self, reports: Sequence[Report], reason: object) -> Undelivered:
        """The error that shows the reports as far as they fit on a screen, so that a person can deliver them."""
        shown = [
            f"job {report.jobid} moves to stage {report.jobstage} with {as_json(report.body()).decode()}"
            for report in reports[:MAX_SHOWN]
        ]
        more = f", and {len(reports) - MAX_SHOWN} more jobs" if len(reports) > MAX_SHOWN else ""
        text = self._client.without_secret(bounded("; ".join(shown)))
        jobs = "The job" if len(reports) == 1 else "Each job"
        return Undelivered(
            f"UNDELIVERED: the server did not receive that {text}{more} ({reason}). "
            f"{jobs} will be done again when its lifetime is over"
        )

    def without_secret(self, text: str) -> str:
        """As JobClient has it."""
        return self._client.without_secret(text)


class Reporter:
    """Reports and counts the jobs of one run, all of one stage. Safe to use from two threads."""

    def __init__(self, delivery: Delivery, stage: int, tally: Tally, guard: FailureGuard) -> None:
        self._delivery = delivery
        self._stage = stage
        self._tally = tally
        self._guard = guard
        self._lock = threading.Lock()

    def report(self, endings: Endings, n: int = 0) -> list[Job]:
        """Reports how jobs ended, and claims up to n others in the same request."""
        if not endings:
            return []
        reports = [self._as_report(job, ending) for job, ending in endings]
        outcomes, jobs = self._delivery.deliver(reports, self._stage, n)
        refused: Endings = []
        for (job, ending), report, outcome in zip(endings, reports, outcomes, strict=True):
            if outcome.status == OK:
                self._count(job, ending, outcome)
            elif outcome.status in (NO_SUCH_JOB, CONFLICT):
                self.lost(job, f" ({outcome.message})")
            elif isinstance(ending, Done):
                refused.append((job, Failed(bounded(f"the server refused the report: {outcome.message}"))))
            else:
                raise self._delivery.undelivered([report], outcome.message)
        self.report(refused)
        return jobs

    def lost(self, job: Job, reason: str = "") -> None:
        """Counts a job whose claim was lost."""
        with self._lock:
            self._tally.lost += 1
        log.warning("job %d: the claim was lost, its result is not reported%s", job.jobid, reason)

    def _count(self, job: Job, ending: Ending, outcome: Outcome) -> None:
        with self._lock:
            self._guard.count(job, ending)
            if isinstance(ending, Done):
                self._tally.done += 1
            elif ending is CANCELLED:
                self._tally.cancelled += 1
                log.warning("job %d was cancelled", job.jobid)
            elif isinstance(ending, Failed):
                self._tally.failed += 1
                what = "failed permanently" if outcome.failed else f"failed (attempt {job.attempt}), will be retried"
                log.warning("job %d %s: %s", job.jobid, what, self._delivery.without_secret(first_line(ending.error)))
            elif ending is not NOT_STARTED:
                self._tally.given_back += 1

    def _as_report(self, job: Job, ending: Ending) -> Report:
        if isinstance(ending, Done):
            return Report(job.jobid, job.done_stage, job.claim, ending.filename, ending.jobcmd, ending.result)
        error = self._delivery.without_secret(ending.error) if isinstance(ending, Failed) else None
        return Report(job.jobid, job.stage, job.claim, error=error)
