"""A JobClient that writes down every claim and every end of one as it happens: the evidence for the demo's counts."""

import time
from collections.abc import Iterable
from typing import Any

from client import UNSET, Conflict, Job, JobClient, NoSuchJob, UpdateAnswer
from client.answers import Renewed
from examples.demo.history import Log

RETRY_FOR_S = 10.0  # the demo's server is on this machine and does not come back


class RecordingClient(JobClient):
    """Does what JobClient does. url, jobix, worker: see there. log: where it is written down."""

    def __init__(self, url: str, jobix: int, log: Log, *, worker: str) -> None:
        super().__init__(url, jobix, worker=worker, retry_for_s=RETRY_FOR_S)
        self._log = log

    def another(self, *, timeout_s: float | None = None, retry_for_s: float | None = None) -> "RecordingClient":
        twin = super().another(timeout_s=timeout_s, retry_for_s=retry_for_s)
        twin._log = self._log
        return twin

    def claim(
        self, token: str, stage: int, working_stage: int | None = None, *, wait_s: float = 0.0, n: int | None = None
    ) -> list[Job]:
        asked_s = time.monotonic()
        jobs = super().claim(token, stage, working_stage, wait_s=wait_s, n=n)
        for job in jobs:
            self._claimed(job, asked_s)
        return jobs

    def update(
        self,
        job_or_jobid: Job | int,
        next_stage: int,
        *,
        claim: str | None = None,
        filename: str | None = None,
        jobcmd: Any = UNSET,
        result: Any = UNSET,
        error: str | None = None,
        next: int | None = None,
    ) -> UpdateAnswer:
        jobid, asked_s = job_or_jobid, time.monotonic()
        if isinstance(job_or_jobid, Job):
            jobid, claim = job_or_jobid.jobid, claim or job_or_jobid.claim
        self._log.write("reporting", jobid=jobid, claim=claim)
        try:
            answer = super().update(
                jobid, next_stage, claim=claim, filename=filename, jobcmd=jobcmd, result=result, error=error, next=next
            )
        except (Conflict, NoSuchJob):
            self._log.write("lost", jobid=jobid, claim=claim)
            raise
        self._log.write("ended", jobid=jobid, claim=claim, jobstage=answer.jobstage)
        if answer.next is not None:
            self._claimed(answer.next, asked_s)
        return answer

    def renew(self, jobs: Iterable[Job]) -> list[Renewed]:
        jobs, asked_s = list(jobs), time.monotonic()
        answers = super().renew(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            if answer.state == "lost":  # it may have nothing more to report
                self._log.write("lost", jobid=job.jobid, claim=job.claim)
            else:
                self._log.write("renewed", jobid=job.jobid, claim=job.claim, asked_s=asked_s)
        return answers

    def _claimed(self, job: Job, asked_s: float) -> None:
        self._log.write(
            "claimed", jobid=job.jobid, stage=job.stage, claim=job.claim, attempt=job.attempt, asked_s=asked_s
        )
