"""Renews the claims of a worker, in a thread and on connections of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..api.job_client import JobClient
from ..api.responses import Renewed
from ..api.types import Job
from ..errors import ListDeleted

log = logging.getLogger(__name__)

LONGEST_S = 50.0  # also without a lifetime; many proxies end a request after 60 s
FIRST_S = 1.0  # after the claim: jobs of milliseconds need no renewal
FIRST_OF_BATCH_S = 2.5  # by then a slow batch has reported all but the running job
FIRST_RETRY_S = 1.0
UNCLAIMED_S = 2.0  # while nobody has claimed the job of a lost claim; another worker may claim it at any time


@dataclass
class Hold:
    """A job that the worker holds. state: held, cancel, unclaimed or lost, as of the last renewal.

    unclaimed: the claim was lost, but nobody has claimed the job since. The work continues: its result may be accepted.
    """

    job: Job
    state: str = "held"


class Renewal:
    """Renews after a third of the lifetime, at least every 50 s: two renewals may fail before the claim is lost.

    Between two renewals the server holds the request, so that it can report at once that a claim was lost or cancelled.
    """

    def __init__(self, client: JobClient) -> None:
        self._client = client.with_options()
        self._changed = threading.Condition()
        self._holds: list[Hold] = []
        self._interval_s = LONGEST_S
        self._due = float("inf")  # of time.monotonic()
        self._wakes_at = float("inf")
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)
        self._thread.start()

    def hold(self, jobs: Sequence[Job]) -> list[Hold]:
        """From now on renews these jobs, of one stage, and no others."""
        holds = [Hold(job) for job in jobs]
        with self._changed:
            self._holds = holds
            self._interval_s = _interval_s(jobs[0].lifetime_s)
            first_s = FIRST_S if len(jobs) == 1 else FIRST_OF_BATCH_S
            self._due = time.monotonic() + min(self._interval_s, first_s)
            # With jobs of milliseconds the thread is not woken: it wakes in time for these anyway.
            if self._due < self._wakes_at:
                self._changed.notify()
        return holds

    def release(self) -> None:
        """Renews nothing from now on: all jobs were reported."""
        with self._changed:
            self._holds = []

    def close(self) -> None:
        """Ends the thread, without waiting for a request that is being sent."""
        with self._changed:
            self._closed = True
            self._holds = []
            self._changed.notify()

    def _run(self) -> None:
        while holds := self._next():
            self._renew(holds)

    def _next(self) -> list[Hold]:
        """Sleeps until a renewal is due. Returns the jobs to renew; [] when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if any(hold.state != "lost" for hold in self._holds):
                    if self._due <= now:
                        return self._holds
                    self._wakes_at = self._due
                elif self._wakes_at <= now:
                    self._wakes_at = float("inf")
                self._changed.wait(None if self._wakes_at == float("inf") else max(0.0, self._wakes_at - now))
            return []

    def _renew(self, holds: list[Hold]) -> None:
        ours = [hold for hold in holds if hold.state != "lost"]
        # For a job that is not held the server responds at once; such claims are renewed until their jobs have ended.
        wait_s = self._interval_s if all(hold.state == "held" for hold in ours) else 0.0
        # Retries no longer than until the next renewal is due: by then the worker may hold other jobs.
        self._client.retry_for_s = self._interval_s
        sent_at = time.monotonic()
        try:
            renewed = self._client.renew((hold.job for hold in ours), wait_s=wait_s)
        except ListDeleted:
            renewed = [Renewed(hold.job.jobid, "lost", None, None) for hold in ours]
        except Exception as problem:  # of any kind: without this thread the claims would be lost silently
            subject = f"job {ours[0].job.jobid}" if len(ours) == 1 else f"{len(ours)} jobs"
            log.warning("%s could not be renewed; the work continues: %s", subject, problem)
            self._due = time.monotonic() + min(self._interval_s, FIRST_RETRY_S)
            return
        self._update(holds, ours, renewed, sent_at, wait_s)

    def _update(
        self, holds: list[Hold], ours: list[Hold], renewed: list[Renewed], sent_at: float, wait_s: float
    ) -> None:
        with self._changed:
            if self._holds is not holds:
                return  # the jobs ended during the request, which explains why their claims are gone
            for hold, claim in zip(ours, renewed, strict=True):
                before, hold.state = hold.state, _state(hold.state, claim)
                if hold.state == "unclaimed" != before:
                    log.warning("job %d: the claim was lost, but nobody has claimed the job since", claim.jobid)
            now = time.monotonic()
            changed = any(claim.state != "held" for claim in renewed)
            waited_s = 0.0 if changed else now - sent_at  # since the renewal: the server renews before it waits
            self._interval_s = min(_interval_s(claim.lifetime_s, waited_s) for claim in renewed)
            if any(hold.state == "unclaimed" for hold in ours):
                self._interval_s = min(self._interval_s, UNCLAIMED_S)
            # An early response without a change is one of a server that cannot wait now.
            at_once = bool(wait_s) and (changed or waited_s >= wait_s / 2)
            self._due = now if at_once else sent_at + self._interval_s
        for hold in ours:
            if hold.state in ("lost", "cancel"):
                hold.job.stopped.set()


def _state(before: str, claim: Renewed) -> str:
    if claim.unclaimed:
        return "unclaimed"
    return "cancel" if before == "cancel" and claim.state == "held" else claim.state


def _interval_s(lifetime_s: float | None, passed_s: float = 0.0) -> float:
    return LONGEST_S if lifetime_s is None else min(max((lifetime_s + passed_s) / 3, 0.05), LONGEST_S)
