"""The loop of a worker: claim, renew while the work runs, then advance or give back."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from .api import JobClient
from .asking import Asking
from .attempt import Attempt, Ending, Failed, GivenBack, Work, bounded
from .delivery import Delivery
from .errors import AllFailed, BadRequest, ClaimSpent, Conflict, NoSuchJob, TooLarge
from .job import Done, Job, Report
from .renewal import Renewal
from .stopping import Stopping
from .tokens import new_token

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0  # the protocol's
WAIT_FOREVER_S = 20.0  # a request, when nobody said how long
PAUSE_S = 1.0  # between two requests, should the server not wait as it was asked to
FAILURES_IN_VAIN = 5  # without a job done: it is rather the work that is wrong, and would fail the whole list
OF_ONE_JOB = 10  # the same where all of them were of one job, which may be a bad one
CANCELLED = Failed("cancelled")


@dataclass
class Tally:
    """What a worker did. failed: attempts that failed; given_back: unfinished; lost: taken away meanwhile.

    signum: the signal that ended it, if one did.
    """

    done: int = 0
    failed: int = 0
    given_back: int = 0
    lost: int = 0
    signum: int | None = None


class Worker:
    """Does the jobs of one even stage, one after another.

    work: a function of a Job, which returns None, any JSON value (kept as the job's result) or Done(...), or raises;
    or a command line (text, or a list of words) with `{jobid}` and `{jobcmd[field]}` in it. working_stage: the odd
    stage to work in, stage + 1 unless given. wait_s: how long, to 60, one request waits for a job. forever: go on
    waiting when there is none. filename: the output's path with the same fields, sent when the work succeeded.
    """

    def __init__(
        self,
        client: JobClient,
        stage: int,
        work: Work,
        *,
        working_stage: int | None = None,
        wait_s: float = 0.0,
        forever: bool = False,
        filename: str | None = None,
    ) -> None:
        if not 0 <= wait_s <= LONGEST_WAIT_S:
            raise ValueError("wait_s must be from 0 to 60; forever=True goes on asking")
        self.client = client
        self.stage = stage
        self.working_stage = working_stage
        self.wait_s = WAIT_FOREVER_S if forever and not wait_s else wait_s
        self.forever = forever
        self._stopping = Stopping()
        self._attempt = Attempt(work, filename, self._stopping)
        self._delivery = Delivery(client, self._stopping)
        self._in_vain: list[int] = []  # the jobs of the attempts that failed before any job was done

    def stop(self) -> None:
        """Ends `run` after the running job, from any thread. Called twice, a running command is given back at once."""
        self._stopping.ask()

    def run(self) -> Tally:
        """Works until no job is left (or for ever), or until SIGTERM or SIGINT. Nothing stays claimed.

        The first signal lets the running job end, the second gives it back. Raises what JobClient does, AllFailed
        when jobs fail and none was done before, Undelivered when the server has to be told something and can't be.
        """
        tally = Tally()
        self._in_vain = []
        renewal = Renewal(self.client)
        try:
            with self._stopping:
                job = self._claim()
                while job is not None:
                    job = self._do(job, renewal, tally) or self._claim()
        finally:
            renewal.close()
            tally.signum = self._stopping.signum
        return tally

    def _claim(self) -> Job | None:
        give_up_at = time.monotonic() + self.wait_s
        while not self._stopping.soon:
            asked_at = time.monotonic()
            wait_s = self.wait_s if self.forever else max(0.0, give_up_at - asked_at)
            try:
                jobs = self._ask_for_one(new_token(), wait_s)
            except ClaimSpent:
                continue  # the answer was so late that the claim had ended: with a new token
            if jobs:
                return jobs[0]
            now = time.monotonic()
            if self._stopping.soon or (not self.forever and now >= give_up_at):
                return None
            if now - asked_at < wait_s / 2:
                time.sleep(PAUSE_S if self.forever else min(PAUSE_S, give_up_at - now))
        return None

    def _ask_for_one(self, token: str, wait_s: float) -> list[Job]:
        asking = Asking(
            lambda: self.client.claim(token, self.stage, self.working_stage, wait_s=wait_s), late=self._give_back
        )
        while not asking.done():
            if self._stopping.soon and asking.abandon():
                # The server may give us a job in this very moment. The same token tells, and claims no second one.
                if not self.client.let_go(token, self.stage, self.working_stage):
                    log.warning("the server can't be asked if it gave us a job: one may stay claimed")
                return []
        return asking.answer()

    def _give_back(self, jobs: list[Job]) -> None:
        for job in jobs:
            self.client.update(job, job.stage)

    def _do(self, job: Job, renewal: Renewal, tally: Tally) -> Job | None:
        """One job, from its claim to its report. Answers the next, if one came along."""
        if self._stopping.soon:
            return self._report(job, GivenBack(), tally)
        hold = renewal.hold(job)
        self._stopping.busy = True
        try:
            try:
                ending = self._attempt(job)
            except BaseException:  # what neither a job nor a signal raises: still, nothing stays claimed
                self._report(job, GivenBack(), tally)
                raise
            if hold.state == "lost":
                tally.lost += 1
                log.warning("job %d was taken away: its result is not reported", job.jobid)
                return None
            return self._report(job, CANCELLED if hold.state == "cancel" else ending, tally)
        finally:
            self._stopping.busy = False
            renewal.release()

    def _report(self, job: Job, ending: Ending, tally: Tally) -> Job | None:
        report = self._as_report(job, ending)
        in_vain = isinstance(ending, Failed) and ending is not CANCELLED and not tally.done
        gives_up = in_vain and _is_enough([*self._in_vain, job.jobid])
        # `next` claims into stage + 1: with another working stage, or at the end, the report goes alone.
        alone = gives_up or self._stopping.soon or self.working_stage not in (None, self.stage + 1)
        try:
            answer = self._delivery.deliver(report, None if alone else self.stage)
        except (Conflict, NoSuchJob) as problem:
            tally.lost += 1
            log.warning("job %d was taken away: its result is not reported (%s)", job.jobid, problem)
            return None
        except (BadRequest, TooLarge) as problem:
            if not isinstance(ending, Done):
                raise self._delivery.undelivered(report, problem) from problem
            return self._report(job, Failed(bounded(f"the server refused the report: {problem}")), tally)
        if isinstance(ending, Failed):
            tally.failed += 1
            what, why = "failed for good" if answer.failed else "given back", (report.error or "").partition("\n")[0]
            log.warning("job %d %s: %s", job.jobid, what, why)
            if in_vain:
                self._in_vain.append(job.jobid)
            if gives_up:
                raise AllFailed(
                    f"stopped: {len(self._in_vain)} failures in a row and no job done; "
                    f"the last, of job {job.jobid}: {why}; mend it and start again. "
                    f"`check {job.working_stage} {job.stage}` sends back what failed for good"
                )
        elif isinstance(ending, GivenBack):
            tally.given_back += 1
        else:
            tally.done += 1
        return answer.next

    def _as_report(self, job: Job, ending: Ending) -> Report:
        if isinstance(ending, Done):
            return Report(job.jobid, job.done_stage, job.claim, ending.filename, ending.jobcmd, ending.result)
        error = self.client.without_secret(ending.error) if isinstance(ending, Failed) else None
        return Report(job.jobid, job.stage, job.claim, error=error)


def _is_enough(failed: list[int]) -> bool:
    """Whether so many failures, and no job done, are the work's fault and not a job's."""
    return len(failed) >= (OF_ONE_JOB if len(set(failed)) == 1 else FAILURES_IN_VAIN)
