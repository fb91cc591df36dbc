"""Tells the server how jobs ended, and counts what became of it."""

from __future__ import annotations

import logging
import threading

from .answers import Outcome
from .attempt import Ending, Failed, bounded
from .batch import NOT_BEGUN, Told
from .delivery import Delivery
from .in_vain import InVain, first_line
from .job import Done, Job, Report
from .tally import Tally

log = logging.getLogger("client.worker")

OK, NO_SUCH_JOB, CONFLICT = 200, 404, 409


class Telling:
    """Of one worker's jobs, all of one stage, from one run. Safe to use from two threads."""

    def __init__(self, delivery: Delivery, stage: int, tally: Tally, in_vain: InVain) -> None:
        self._delivery = delivery
        self._stage = stage
        self._tally = tally
        self._in_vain = in_vain
        self._lock = threading.Lock()

    def tell(self, told: Told, n: int = 0) -> list[Job]:
        """Reports how jobs ended, and claims up to n others along with it."""
        if not told:
            return []
        reports = [self._as_report(job, ending) for job, ending in told]
        outcomes, jobs = self._delivery.deliver(reports, self._stage, n)
        refused: Told = []
        for (job, ending), report, outcome in zip(told, reports, outcomes, strict=True):
            if outcome.status == OK:
                self._count(job, ending, outcome)
            elif outcome.status in (NO_SUCH_JOB, CONFLICT):
                self.lost(job, f" ({outcome.message})")
            elif isinstance(ending, Done):
                refused.append((job, Failed(bounded(f"the server refused the report: {outcome.message}"))))
            else:
                raise self._delivery.undelivered([report], outcome.message)
        self.tell(refused)
        return jobs

    def lost(self, job: Job, why: str = "") -> None:
        """Another has it now."""
        with self._lock:
            self._tally.lost += 1
        log.warning("job %d was taken away: its result is not reported%s", job.jobid, why)

    def _count(self, job: Job, ending: Ending, outcome: Outcome) -> None:
        with self._lock:
            self._in_vain.count(job, ending)
            if isinstance(ending, Done):
                self._tally.done += 1
            elif isinstance(ending, Failed):
                self._tally.failed += 1
                what = "failed for good" if outcome.failed else "given back"
                log.warning("job %d %s: %s", job.jobid, what, self._delivery.without_secret(first_line(ending.error)))
            elif ending is not NOT_BEGUN:
                self._tally.given_back += 1

    def _as_report(self, job: Job, ending: Ending) -> Report:
        if isinstance(ending, Done):
            return Report(job.jobid, job.done_stage, job.claim, ending.filename, ending.jobcmd, ending.result)
        error = self._delivery.without_secret(ending.error) if isinstance(ending, Failed) else None
        return Report(job.jobid, job.stage, job.claim, error=error)
