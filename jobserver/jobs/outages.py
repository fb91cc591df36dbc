"""After an outage: jobs whose deadline was in the outage, or soon after it, get more time.

During an outage no worker can renew a claim or report a result. An outage is a time without a sweep: the servers were
stopped or suspended, or the database was unavailable.
"""

import logging
from functools import partial

from jobserver.core.lifetimes import MS_PER_MINUTE, MS_PER_S, timestamp
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import outages

RECORD_EVERY_MS = 2 * MS_PER_S  # only while there are deadlines
LEAST_OUTAGE_MS = 2 * RECORD_EVERY_MS  # more than between two records, so that another process can take over
LONGEST_INTERVAL = 1.5  # between two sweeps, as a multiple of sweep_every_s; it is random, up to 1.2
LONGEST_GRACE_MS = 60 * MS_PER_MINUTE  # unless the setting is longer
TOGETHER = 500  # jobs in one transaction
log = logging.getLogger("jobserver.outages")


class Outages:
    """Detects outages: a sweep much later than the last successful one. `grace_minutes`: the least time that jobs get
    after an outage."""

    def __init__(
        self, commit_queue: CommitQueue, database: Database, sweep_every_s: float, grace_minutes: float
    ) -> None:
        self._commit_queue = commit_queue
        self._database = database
        self._least_outage_ms = LEAST_OUTAGE_MS + round(LONGEST_INTERVAL * sweep_every_s * MS_PER_S)
        self._least_grace_ms = round(grace_minutes * MS_PER_MINUTE)
        self._last_sweep = 0  # of this process
        self._recorded = 0

    def sweep_time(self) -> int:
        """Returns the present time for a sweep. Before that it gives jobs more time if an outage has ended, so that the
        sweep does not find them overdue."""
        now = now_ms()
        if now - self._last_sweep > self._least_outage_ms:
            self._end_outage(now)
        return now

    def swept(self, now: int) -> None:
        """Records that a sweep with this time has succeeded."""
        if abs(now - self._recorded) >= RECORD_EVERY_MS and self._database.read(outages.ANY_DEADLINE):
            self._commit_queue.run(partial(outages.record_sweep, now=now))
            self._recorded = now
        self._last_sweep = now

    def _end_outage(self, now: int) -> None:
        """Gives jobs more time, unless another process has swept recently."""
        last_sweep = max(self._last_sweep, outages.last_sweep(self._database.read))
        if now - last_sweep <= self._least_outage_ms:
            return
        # Without a recorded sweep the length is unknown: at most the time since the first claim that is overdue.
        outage_ms = now - (last_sweep or outages.first_overdue(self._database.read, now))
        until = now + max(self._least_grace_ms, min(outage_ms, LONGEST_GRACE_MS))
        # Later than the lease of a dead worker: its job is lost and returns, and is not flagged for its lifetime.
        lifetime_until = until + self._least_outage_ms
        began = now - self._least_outage_ms
        extend = partial(outages.extend, until=until, lifetime_until=lifetime_until, began=began, n=TOGETHER)
        total = 0
        while self._database.read(outages.ANY_EARLIER, until=until, began=began):
            total += self._commit_queue.run(extend)
        if total:
            length = f"of {outage_ms / MS_PER_S:.0f} s" if last_sweep else "of unknown length"
            jobs_text = "1 job does" if total == 1 else f"{total} jobs do"
            log.warning("after an outage %s: %s not expire before %s", length, jobs_text, timestamp(until))
