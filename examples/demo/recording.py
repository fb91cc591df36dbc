"""A JobClient that records each claim and each end of a claim: the evidence for the demo's counts."""

import json
import time
from collections.abc import Iterable

from client import Job, JobClient, Outcome, Renewed
from examples.demo.history import Log

RETRY_FOR_S = 10.0  # the demo's server is on this machine and does not come back


class RecordingClient(JobClient):
    """A JobClient with a log. url, jobix, worker: see JobClient. log: the file that records the claims."""

    def __init__(self, url: str, jobix: int, log: Log, *, worker: str) -> None:
        super().__init__(url, jobix, worker=worker, retry_for_s=RETRY_FOR_S)
        self._log = log

    def with_options(self, *, timeout_s: float | None = None, retry_for_s: float | None = None) -> "RecordingClient":
        copy = super().with_options(timeout_s=timeout_s, retry_for_s=retry_for_s)
        copy._log = self._log
        return copy

    def claim(
        self,
        token: str,
        stage: int,
        working_stage: int | None = None,
        *,
        wait_s: float = 0.0,
        n: int | None = None,
        lease_s: float | None = None,
    ) -> list[Job]:
        requested_s = time.monotonic()
        jobs = super().claim(token, stage, working_stage, wait_s=wait_s, n=n, lease_s=lease_s)
        for job in jobs:
            self._claimed(job, requested_s)
        return jobs

    def send_reports(
        self,
        body: bytes,
        count: int,
        *,
        next: int | None = None,
        n: int | None = None,
        lease_s: float | None = None,
        repeatable: bool = True,
    ) -> tuple[list[Outcome], list[Job]]:
        reports, requested_s = json.loads(body), time.monotonic()
        for report in reports:
            self._log.write("reporting", jobid=report["jobid"], claim=report.get("claim"))
        outcomes, jobs = super().send_reports(body, count, next=next, n=n, lease_s=lease_s, repeatable=repeatable)
        for report, outcome in zip(reports, outcomes, strict=True):
            if outcome.jobstage is None:
                self._log.write("lost", jobid=report["jobid"], claim=report.get("claim"))
            else:
                self._log.write("ended", jobid=report["jobid"], claim=report.get("claim"), jobstage=outcome.jobstage)
        for job in jobs:
            self._claimed(job, requested_s)
        return outcomes, jobs

    def renew(self, jobs: Iterable[Job], *, wait_s: float = 0.0) -> list[Renewed]:
        jobs, requested_s = list(jobs), time.monotonic()
        responses = super().renew(jobs, wait_s=wait_s)
        for job, response in zip(jobs, responses, strict=True):
            if response.state == "lost":  # the job may end without a report
                self._log.write("not held", jobid=job.jobid, claim=job.claim)
            else:
                self._log.write("renewed", jobid=job.jobid, claim=job.claim, requested_s=requested_s)
        return responses

    def _claimed(self, job: Job, requested_s: float) -> None:
        self._log.write(
            "claimed", jobid=job.jobid, stage=job.stage, claim=job.claim, attempt=job.attempt, requested_s=requested_s
        )
