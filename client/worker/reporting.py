"""Reports how jobs ended: delivered until the server accepts or refuses them, or shown to a person if that fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..api.job_client import JobClient
from ..api.responses import Outcome
from ..api.types import Done, Job, Report, as_json
from ..errors import ClientError, ListDeleted, Refused, TooLarge, Undelivered
from .attempt import Ending, Failed, Finished, bounded
from .background_request import BackgroundRequest
from .batch import NOT_STARTED, Endings
from .failure_guard import CANCELLED, FailureGuard, Tally, first_line
from .outbox import Outbox
from .outputs import publish, set_aside
from .stopping import Stopping

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

log = logging.getLogger(__name__)

OK, NO_SUCH_JOB, CONFLICT, LIST_DELETED = 200, 404, 409, 410
LAST_REPORT_S = 2.0  # for a report that is being sent when a signal gives the running job back
MAX_SHOWN = 20  # undelivered reports


class Delivery:
    """Delivers the reports of one worker. outbox: has the reports until they are delivered.

    lease_s: of the jobs that are claimed with a report.
    """

    def __init__(self, client: JobClient, stopping: Stopping, lease_s: float) -> None:
        self._client = client
        self._stopping = stopping
        self.outbox = Outbox(client.list_key)
        self._lease_s = lease_s

    def deliver(self, entries: Sequence[shapes.ReportEntry], stage: int, n: int) -> tuple[list[Outcome], list[Job]]:
        """Keeps the reports in the outbox, sends them, and claims up to n jobs of the stage.

        Returns the outcomes, in order, and the jobs; call `outbox.settled` when the outcomes were handled. Raises
        Undelivered if the server could not be reached or did not accept the request.
        """
        body = as_json(entries)
        self.outbox.keep(body)
        return self._send(entries, body, stage, n)

    def _send(
        self, entries: Sequence[shapes.ReportEntry], body: bytes, stage: int, n: int
    ) -> tuple[list[Outcome], list[Job]]:
        request = BackgroundRequest(
            lambda: self._client.send_reports(
                body, len(entries), next=stage if n else None, n=n or None, lease_s=self._lease_s
            ),
            late=lambda response: self.give_back(response[1]),
        )
        give_up_at = None
        while not request.done():
            if self._stopping.now and give_up_at is None:
                give_up_at = time.monotonic() + LAST_REPORT_S
            if give_up_at is not None and time.monotonic() > give_up_at and request.abandon():
                raise self.undelivered(entries, "a signal ended the retries")
        try:
            return request.response()
        except TooLarge as problem:
            if len(entries) == 1:
                return _all_refused(entries, problem), []
        except ListDeleted as problem:
            return _all_refused(entries, problem), []
        except ClientError as problem:
            raise self.undelivered(entries, problem) from problem
        half = len(entries) // 2
        outcomes, _none = self._send(entries[:half], as_json(entries[:half]), stage, 0)
        rest, jobs = self._send(entries[half:], as_json(entries[half:]), stage, n)
        return outcomes + rest, jobs

    def give_back(self, jobs: Sequence[Job]) -> None:
        """Releases the claims on these jobs."""
        if jobs:
            self._client.update_many(Report(job.jobid, job.stage, job.claim) for job in jobs)

    def undelivered(self, entries: Sequence[shapes.ReportEntry], reason: object) -> Undelivered:
        """The error that shows the reports as far as they fit on a screen, so that a person can deliver them."""
        shown = [
            f"job {entry['jobid']} moves to stage {entry['jobstage']} with {as_json(_body(entry)).decode()}"
            for entry in entries[:MAX_SHOWN]
        ]
        more = f", and {len(entries) - MAX_SHOWN} more jobs" if len(entries) > MAX_SHOWN else ""
        text = self._client.without_secret(bounded("; ".join(shown)))
        if self.outbox.has_reports:
            remedy = (
                f"It is kept in {self.outbox.path}: the next worker of this list on this machine delivers it, "
                "or `jm deliver`"
            )
        else:
            jobs = "The job" if len(entries) == 1 else "Each job"
            remedy = f"{jobs} will be done again when its lease ends"
        return Undelivered(f"UNDELIVERED: the server did not receive that {text}{more} ({reason}). {remedy}")

    def without_secret(self, text: str) -> str:
        """As JobClient has it."""
        return self._client.without_secret(text)


def _body(entry: shapes.ReportEntry) -> dict[str, object]:
    """What a report has beside job, stage and claim."""
    return {key: value for key, value in entry.items() if key not in ("jobid", "jobstage", "claim")}


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
        entries = [self._as_report(job, ending).entry() for job, ending in endings]
        outcomes, jobs = self._delivery.deliver(entries, self._stage, n)
        refused: Endings = []
        for (job, ending), entry, outcome in zip(endings, entries, outcomes, strict=True):
            if outcome.status == OK:
                if isinstance(ending, Finished) and outcome.jobstage == entry["jobstage"] and not outcome.replaced:
                    publish(ending.outputs)
                self._count(job, ending, outcome)
            elif outcome.status in (NO_SUCH_JOB, CONFLICT, LIST_DELETED):
                self._delivery.outbox.set_aside(entry, outcome.status, outcome.message)
                self.lost(job, outcome.message, ending)
            elif isinstance(ending, Done):
                self._set_aside(job, ending)
                refused.append((job, Failed(bounded(f"the server refused the report: {outcome.message}"))))
            else:
                raise self._delivery.undelivered([entry], outcome.message)
        self._delivery.outbox.settled()
        self.report(refused)
        return jobs

    def lost(self, job: Job, reason: str, ending: Ending) -> None:
        """Counts a job whose claim was lost, which is no failure of this worker, and keeps its output files."""
        with self._lock:
            self._tally.lost += 1
        log.warning("job %d: the claim was lost: %s", job.jobid, self._delivery.without_secret(reason))
        self._set_aside(job, ending)

    def _set_aside(self, job: Job, ending: Ending) -> None:
        if isinstance(ending, Finished) and ending.outputs:
            log.warning("job %d: its output files are kept in %s", job.jobid, ", ".join(set_aside(ending.outputs)))

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
            report = Report(job.jobid, job.done_stage, job.claim, ending.filename, ending.jobcmd, ending.result)
            if not isinstance(ending, Finished):
                return report
            return replace(report, outputs=ending.outputs, passed=ending.passed, agrees_with=ending.agrees_with)
        if isinstance(ending, Failed):
            error = self._delivery.without_secret(ending.error)
            return Report(
                job.jobid, job.stage, job.claim, error=error, condition=ending.condition, retry=ending.retry,
                passed=ending.passed,
            )  # fmt: skip
        return Report(job.jobid, job.stage, job.claim, condition=ending.condition)


def _all_refused(entries: Sequence[shapes.ReportEntry], problem: Refused) -> list[Outcome]:
    """The outcomes of reports that the server refused together."""
    return [Outcome(entry["jobid"], problem.status, str(problem), error=problem.code) for entry in entries]
