"""The loop of a worker: claim, renew while the work runs, then advance or give back."""

from __future__ import annotations

import logging
import time

from .api import JobClient
from .asking import Asking
from .attempt import Attempt, GivenBack, Work
from .batch import NOT_BEGUN, Batch
from .delivery import Delivery
from .errors import ClaimSpent
from .in_vain import CANCELLED, InVain
from .job import Done, Job
from .pace import Pace
from .relief import Relief
from .renewal import Hold, Renewal
from .stopping import Stopping
from .tally import Tally
from .telling import Telling
from .tokens import new_token

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0  # the protocol's
WAIT_FOREVER_S = 20.0  # a request, when nobody said how long
PAUSE_S = 1.0  # between two requests, should the server not wait as it was asked to


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
        self._pace = Pace()

    def stop(self) -> None:
        """Ends `run` after the running job, from any thread. Called twice, a running command is given back at once."""
        self._stopping.ask()

    def run(self) -> Tally:
        """Works until no job is left (or for ever), or until SIGTERM or SIGINT. Nothing stays claimed.

        The first signal lets the running job end, the second gives it back. Raises what JobClient does, AllFailed
        when jobs fail and none was done before, Undelivered when the server has to be told something and can't be.
        """
        tally = Tally()
        self._pace = Pace()
        in_vain = InVain()
        telling = Telling(self._delivery, self.stage, tally, in_vain)
        renewal = Renewal(self.client)
        try:
            with self._stopping:
                jobs = self._claim()
                while jobs:
                    jobs = self._do(jobs, renewal, telling)
                    if in_vain.enough:
                        telling.tell([(job, NOT_BEGUN) for job in jobs])
                        raise in_vain.all_failed()
                    jobs = jobs or self._claim()
        finally:
            renewal.close()
            tally.signum = self._stopping.signum
        return tally

    def _claim(self) -> list[Job]:
        give_up_at = time.monotonic() + self.wait_s
        while not self._stopping.soon:
            asked_at = time.monotonic()
            wait_s = self.wait_s if self.forever else max(0.0, give_up_at - asked_at)
            try:
                jobs = self._ask(new_token(), wait_s)
            except ClaimSpent:
                continue  # the answer was so late that the claim had ended: with a new token
            if jobs:
                return jobs
            now = time.monotonic()
            if self._stopping.soon or (not self.forever and now >= give_up_at):
                break
            if now - asked_at < wait_s / 2:
                time.sleep(PAUSE_S if self.forever else min(PAUSE_S, give_up_at - now))
        return []

    def _ask(self, token: str, wait_s: float) -> list[Job]:
        n = self._pace.n
        asking = Asking(
            lambda: self.client.claim(token, self.stage, self.working_stage, wait_s=wait_s, n=n),
            late=self._delivery.give_back,
        )
        while not asking.done():
            if self._stopping.soon and asking.abandon():
                # The server may give us jobs in this very moment. The same token tells, and claims no others.
                if not self.client.let_go(token, self.stage, self.working_stage):
                    log.warning("the server can't be asked if it gave us a job: one may stay claimed")
                return []
        return asking.answer()

    def _do(self, jobs: list[Job], renewal: Renewal, telling: Telling) -> list[Job]:
        """What one claim brought, to its reports. Answers the next jobs, if some came along."""
        began = time.monotonic()
        batch = Batch(renewal.hold(jobs))
        try:
            with Relief(batch, telling.tell) as relief:
                while not self._stopping.soon and (hold := batch.next()) is not None:
                    self._work(hold, batch, telling)
            told = batch.take()
            self._pace.took(sum(isinstance(ending, Done) for _job, ending in told), time.monotonic() - began)
            # `next` claims into stage + 1: with another working stage, or at the end, the reports go alone.
            alone = relief.problem or self._stopping.soon or self.working_stage not in (None, self.stage + 1)
            following = telling.tell(told, 0 if alone else self._pace.n)
            if relief.problem is not None:
                raise relief.problem
            return following
        finally:
            renewal.release()

    def _work(self, hold: Hold, batch: Batch, telling: Telling) -> None:
        """One job of a batch."""
        job = hold.job
        if hold.state == "held":
            self._stopping.busy = True
            try:
                ending = self._attempt(job)
            except BaseException:  # what neither a job nor a signal raises: still, nothing stays claimed
                telling.tell([(job, GivenBack()), *batch.take()])
                raise
            finally:
                self._stopping.busy = False
        if hold.state == "lost":
            telling.lost(job)
        else:
            batch.ended([(job, CANCELLED if hold.state == "cancel" else ending)])
