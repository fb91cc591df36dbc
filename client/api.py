"""JobClient: all that can be asked of the server, one method a route; here, what a worker asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import wire
from .answers import Outcome, Renewed, UpdateAnswer
from .errors import ClaimSpent, ClientError
from .job import UNSET, Job, Report, as_json
from .master import Master
from .response import Answer
from .tokens import with_fresh_token

LET_GO_FOR_S = 1.0  # somebody who pressed Ctrl-C waits for this


class JobClient(Master):
    """Asks one server about one job list. Every method may raise what errors.py says.

    url: of the server. jobix: the list's secret, 0 to 2^63-1. worker: the name shown on the server's pages, host:pid
    unless given. ca_file: PEM file of the authority that signed the server's certificate, where that is a private
    one. timeout_s: how long to wait for one answer. retry_for_s: how long to try again after a first failure.
    Safe to use from several threads.
    """

    def get(self, stage: int, working_stage: int | None = None, *, wait_s: float = 0.0) -> Job | None:
        """Claims the first available job of that even stage; None when there is none, for `wait_s` (0 to 60) long."""
        jobs = with_fresh_token(lambda token: self.claim(token, stage, working_stage, wait_s=wait_s))
        return jobs[0] if jobs else None

    def get_many(self, stage: int, n: int, working_stage: int | None = None, *, wait_s: float = 0.0) -> list[Job]:
        """Claims up to n (1 to 1000) jobs at once; [] when there is none."""
        return with_fresh_token(lambda token: self.claim(token, stage, working_stage, wait_s=wait_s, n=n))

    def claim(
        self, token: str, stage: int, working_stage: int | None = None, *, wait_s: float = 0.0, n: int | None = None
    ) -> list[Job]:
        """`get` with a token of the caller's: asked again with the same one, it answers the same jobs."""
        path = f"/get/{stage}" if working_stage is None else f"/get/{stage}/{working_stage}"
        params: dict[str, int | float] = {"wait": wait_s} if wait_s else {}
        if n is not None:
            params["n"] = n
        try:
            answer = self._transport.ask("POST", path, headers={"claim": token}, params=params, wait_s=wait_s)
        except KeyboardInterrupt:
            self.let_go(token, stage, working_stage)
            raise
        return answer.told(lambda value, now: wire.jobs(value, working_stage, now))

    def let_go(self, token: str, stage: int, working_stage: int | None = None) -> bool:
        """Gives back what an abandoned `claim` may have claimed. False when the server can't be asked (for 1 s)."""
        brief = self.another(timeout_s=LET_GO_FOR_S, retry_for_s=LET_GO_FOR_S)
        try:
            # n=1: a list, and of all that the token holds already
            jobs = brief.claim(token, stage, working_stage, n=1)
            brief.update_many(Report(job.jobid, job.stage, job.claim) for job in jobs)
        except ClaimSpent:
            return True
        except ClientError:
            return False
        return True

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
        """Ends a claim: the job goes to the even stage `next_stage`; `next` claims a job of that stage along with it.

        A Job brings its claim; a bare jobid without one is sent once only, as doing it twice could do harm.
        TypeError or ValueError when jobcmd or result isn't JSON.
        """
        if isinstance(job_or_jobid, Job):
            jobid, claim = job_or_jobid.jobid, claim or job_or_jobid.claim
        else:
            jobid = job_or_jobid
        body = Report(jobid, next_stage, claim, filename, jobcmd, result, error).body()

        def say(token: str) -> Answer:
            """One try, the same in all but the token."""
            return self._transport.ask(
                "POST",
                f"/update_job/{jobid}/{next_stage}",
                headers=({} if claim is None else {"claim": claim}) | ({} if next is None else {"next-claim": token}),
                params={} if next is None else {"next": next},
                body=as_json(body) if body else None,
                repeatable=claim is not None,
            )

        return with_fresh_token(say).told(wire.an_update)

    def update_many(
        self, reports: Iterable[Report], *, next: int | None = None, n: int | None = None
    ) -> tuple[list[Outcome], list[Job]]:
        """Many reports, each judged alone: an outcome for each, in order, and up to n jobs of stage `next`."""
        reports = list(reports)
        body = as_json([report.entry() for report in reports])
        params = {} if next is None else {"next": next, "n": 1 if n is None else n}

        def say(token: str) -> Answer:
            """One try, the same in all but the token."""
            return self._transport.ask(
                "POST",
                "/update_jobs",
                headers={} if next is None else {"next-claim": token},
                params=params,
                body=body,
                repeatable=all(report.claim is not None for report in reports),
            )

        return with_fresh_token(say).told(wire.outcomes)

    def heartbeat(self, jobs: Iterable[Job]) -> dict[int, str]:
        """Renews the claims from now. Answers by jobid: held, lost or cancel."""
        return {one.jobid: one.state for one in self.renew(jobs)}

    def renew(self, jobs: Iterable[Job]) -> list[Renewed]:
        """`heartbeat` with the new deadlines, in order."""
        body = as_json([{"jobid": job.jobid, "claim": job.claim} for job in jobs])
        answer = self._transport.ask("POST", "/heartbeat", body=body)
        return answer.told(lambda value, now: [wire.renewed(one, now) for one in value["jobs"]])
