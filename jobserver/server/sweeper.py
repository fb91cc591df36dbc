"""The sweeper: every sweep_every_s, handles overdue jobs and deletes old rows."""

import logging
import os
import random
import threading

from jobserver.core.concurrency import spawn
from jobserver.core.errors import DatabaseBusy, DatabaseLost, log_fault
from jobserver.jobs.access import Keys
from jobserver.jobs.expiry import Expiry, Retention
from jobserver.store.database import Leader

log = logging.getLogger("jobserver.sweeper")


class Sweeper:
    """A background thread that sweeps until it is stopped, while this process is the leader."""

    def __init__(self, leader: Leader, keys: Keys, expiry: Expiry, retention: Retention, every_s: float) -> None:
        self._leader = leader
        self._keys = keys
        self._expiry = expiry
        self._retention = retention
        self._every_s = every_s
        self._stopped = threading.Event()
        self._started_in = 0

    def start(self) -> None:
        """Starts the thread: once in each process, also after a fork."""
        if self._started_in != os.getpid():
            self._started_in = os.getpid()
            spawn(self._run, "sweeper")

    def stop(self) -> None:
        """Ends the thread after the current sweep."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            self._sweep_until_stopped()
        finally:
            self._leader.release()

    def _sweep_until_stopped(self) -> None:
        # random: several servers on a database should not sweep at the same moment
        while not self._stopped.wait(self._every_s * random.uniform(0.8, 1.2)):
            try:
                self._keys.forget_deleted()
                if self._leader.is_leader():
                    self._expiry.sweep()
                    self._retention.run()
            except DatabaseLost:
                continue  # the check has logged it
            except DatabaseBusy as error:
                log.warning("the sweep is postponed: %s", error)
            except Exception as error:
                log_fault(log, "the sweep failed; the next one tries again", error)
