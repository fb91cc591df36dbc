"""The loop of a worker: claim, renew while the work runs, then report."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from ..api.job_client import JobClient
from ..api.responses import Progress
from ..api.types import Done, Job
from ..errors import ClaimSpent
from ..http.retries import new_token
from . import batch_system
from .attempt import INTERRUPTED, Attempt, Ending, Failed, Work
from .background_request import BackgroundRequest
from .batch import NOT_STARTED, Batch, BatchSize, SlowBatch
from .command import DATA_ERROR
from .failure_guard import CANCELLED, FailureGuard, Tally, first_line
from .left_reports import deliver_left
from .outputs import remove
from .renewal import Hold, Renewal
from .reporting import Delivery, Reporter
from .stopping import Stopping
from .time_limit import NEVER
from .waiting import LONGEST_WAIT_S, Forever, UntilDone, WaitFor, Waiting

log = logging.getLogger(__name__)

LEASE_S = 120.0
PAUSE_S = 1.0  # between two requests, if the server does not wait as requested


class Worker:
    """Does the jobs of one even stage, one after another.

    work: a function of a Job, which returns None, any JSON value (stored as the job's result) or Done(...), or raises;
    or a command line (text, or a list of words) with fields such as `{jobid}` and `{jobcmd[name]}`. working_stage: the
    odd stage to work in, stage + 1 by default. filename: path of the output with the same fields, sent if the work
    succeeded. outputs: paths of files that each attempt must write, at `{output}` or `job.output`; they are published
    when the server has accepted the result. verify: check the files that the stage before declared.
    no_retry_exit_code: of a command for which another attempt would fail too.

    Without a job the worker waits until none can come any more: from earlier stages, or from other workers. wait_s: it
    ends when there is none for so long, to 60; forever: it ends only by a signal. lease_s: a job returns to its stage
    if this worker does not renew its claim for so long. stop_before_s: it claims no job in the last seconds of the
    batch system's job (Slurm) in which it runs, and gives the running job back 30 s before the end.
    """

    def __init__(
        self,
        client: JobClient,
        stage: int,
        work: Work,
        *,
        working_stage: int | None = None,
        wait_s: float | None = None,
        forever: bool = False,
        filename: str | None = None,
        outputs: Sequence[str] = (),
        verify: bool = True,
        lease_s: float = LEASE_S,
        stop_before_s: float | None = None,
        no_retry_exit_code: int = DATA_ERROR,
    ) -> None:
        if wait_s is not None and forever:
            raise ValueError("give wait_s or forever=True, not both")
        if wait_s is not None and not 0 <= wait_s <= LONGEST_WAIT_S:
            raise ValueError("wait_s must be from 0 to 60; use forever=True to wait without end")
        self.client = client
        self.stage = stage
        self.working_stage = working_stage
        self.wait_s = wait_s
        self.forever = forever
        self.lease_s = lease_s
        self._stopping = Stopping(None if stop_before_s is None else batch_system.stop_times(stop_before_s))
        self._attempt = Attempt(
            work, filename, self._stopping, outputs=outputs, verify=verify, no_retry_exit_code=no_retry_exit_code
        )
        self._delivery = Delivery(client, self._stopping, lease_s)
        self._size = BatchSize()

    def stop(self) -> None:
        """Ends `run` after the running job, from any thread. Called twice, a running command is given back at once."""
        self._stopping.request()

    def run(self) -> Tally:
        """Works until no job is left (with forever=True: without end), or until SIGTERM or SIGINT. Leaves no claims.

        SIGTERM gives the running job back. After SIGINT it finishes; a second SIGINT gives it back. Raises what
        JobClient raises, AllFailed if jobs fail and none was done before, Undelivered if a report cannot be delivered.
        """
        tally = Tally()
        self._size = BatchSize()
        guard = FailureGuard()
        reporter = Reporter(self._delivery, self.stage, tally, guard)
        renewal = Renewal(self.client)
        waiting = self._waiting()
        try:
            with self._stopping:
                deliver_left(self.client, self._stopping)
                jobs = self._claim(waiting)
                while jobs:
                    jobs = self._do_batch(jobs, renewal, reporter)
                    if guard.must_stop:
                        reporter.report([(job, NOT_STARTED) for job in jobs])
                        raise guard.error()
                    jobs = jobs or self._claim(waiting)
        finally:
            renewal.close()
            self._delivery.outbox.close()
            self._attempt.close()
            tally.signum = self._stopping.signum
        return tally

    def _waiting(self) -> Waiting:
        if self.forever:
            return Forever()
        if self.wait_s is not None:
            return WaitFor(self.wait_s)
        return UntilDone(
            self._progress, self.stage, self.stage + 1 if self.working_stage is None else self.working_stage
        )

    def _claim(self, waiting: Waiting) -> list[Job]:
        waiting.begin()
        while not self._stopping.soon:
            sent_at = time.monotonic()
            wait_s = waiting.next_wait_s()
            try:
                jobs = self._request_jobs(new_token(), wait_s)
            except ClaimSpent:
                continue  # the response was so late that the claim had ended: try with a new token
            if jobs:
                return jobs
            if self._stopping.soon or waiting.ends():
                break
            if time.monotonic() - sent_at < wait_s / 2:
                time.sleep(PAUSE_S)
        return []

    def _request_jobs(self, token: str, wait_s: float) -> list[Job]:
        n = self._size.n
        request = BackgroundRequest(
            lambda: self.client.claim(token, self.stage, self.working_stage, wait_s=wait_s, n=n, lease_s=self.lease_s),
            late=self._delivery.give_back,
        )
        while not request.done():
            if self._stopping.soon and request.abandon():
                # The server may be claiming jobs for us right now. The same token finds them, and claims no others.
                if not self.client.release(token, self.stage, self.working_stage, lease_s=self.lease_s):
                    log.warning("the server cannot be reached: a job may stay claimed until its lease ends")
                return []
        return request.response()

    def _progress(self) -> Progress | None:
        """The counts of the list; None if a signal arrived first."""
        request = BackgroundRequest(self.client.progress, late=lambda progress: None)
        while not request.done():
            if self._stopping.soon and request.abandon():
                return None
        return request.response()

    def _do_batch(self, jobs: list[Job], renewal: Renewal, reporter: Reporter) -> list[Job]:
        """Does and reports the jobs of one claim. Returns the jobs that were claimed with the report."""
        started = time.monotonic()
        self._size.claimed(jobs)
        batch = Batch(renewal.hold(jobs))
        limit_s = NEVER if jobs[0].time_limit_s is None else jobs[0].time_limit_s
        try:
            with SlowBatch(batch, reporter.report, limit_s) as slow:
                while not self._stopping.soon and (hold := batch.next()) is not None:
                    self._do_job(hold, started + limit_s, batch, reporter)
            endings = batch.take()
            self._size.measured(sum(isinstance(ending, Done) for _job, ending in endings), time.monotonic() - started)
            # `next` claims into stage + 1: with another working stage, or at the end, report without a claim.
            without_claim = slow.problem or self._stopping.soon or self.working_stage not in (None, self.stage + 1)
            following = reporter.report(endings, 0 if without_claim else self._size.n)
            if slow.problem is not None:
                raise slow.problem
            return following
        finally:
            renewal.release()

    def _do_job(self, hold: Hold, limit_at: float, batch: Batch, reporter: Reporter) -> None:
        job = hold.job
        ending: Ending = NOT_STARTED
        if hold.state == "held":
            self._stopping.busy = True
            try:
                ending = self._attempt(job, limit_at)
            except BaseException:  # raised neither by a job nor by a signal: still, leave no claims
                reporter.report([(job, INTERRUPTED), *batch.take()])
                raise
            finally:
                self._stopping.busy = False
        if hold.state == "cancel":
            remove(job)
            batch.ended(job, CANCELLED)
        elif hold.state != "held" and not isinstance(ending, Done):
            reporter.lost(job, first_line(ending.error) if isinstance(ending, Failed) else "no result", ending)
        else:  # also a late result: the server accepts it, or keeps it for comparison
            batch.ended(job, ending)
