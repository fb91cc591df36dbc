"""Looks at the clock: every sweep_every_s, what is overdue is flagged, failed or requeued, what is old tidied up."""

import logging
import os
import random
import threading
from collections.abc import Callable

from jobserver.core.concurrency import spawn
from jobserver.core.errors import DatabaseBusy, DatabaseLost
from jobserver.core.logs import log_fault
from jobserver.jobs.expiry import Expiry
from jobserver.jobs.retention import Retention
from jobserver.store.leader import Leader

log = logging.getLogger("jobserver.sweeper")


class Sweeper:
    """A thread of the server's that sweeps until it is stopped, when it is this process's duty."""

    def __init__(
        self, duty: Leader, expiring: Expiry, tidying: Retention, every_s: float, check_file: Callable[[], None]
    ) -> None:
        self._duty = duty
        self._expiring = expiring
        self._tidying = tidying
        self._every_s = every_s
        self._check_file = check_file
        self._stopped = threading.Event()
        self._started_in = 0

    def start(self) -> None:
        """Starts to sweep: once in a process, and not in the parent of one that forks."""
        if self._started_in != os.getpid():
            self._started_in = os.getpid()
            spawn(self._run, "sweeper")

    def stop(self) -> None:
        """Ends after the sweep that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            self._sweep_on()
        finally:
            self._duty.release()

    def _sweep_on(self) -> None:
        # several servers on one database shall not all look at the same moment
        while not self._stopped.wait(self._every_s * random.uniform(0.8, 1.2)):
            try:
                self._check_file()
                if self._duty.is_leader():
                    self._expiring.sweep()
                    self._tidying.step()
            except DatabaseLost:
                continue  # the check has logged it
            except DatabaseBusy as error:
                log.warning("the sweep is put off: %s", error)
            except Exception as error:
                log_fault(log, "the sweep failed; it goes on", error)
