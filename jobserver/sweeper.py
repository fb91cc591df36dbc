"""Looks at the clock: every sweep_every_s, what is overdue is flagged, failed or requeued, what is old tidied up."""

import logging
import random
import threading

from jobserver.concurrency import spawn
from jobserver.duty import Duty
from jobserver.errors import DatabaseBusy
from jobserver.expiring import Expiring
from jobserver.logs import fault
from jobserver.tidying import Tidying

log = logging.getLogger("jobserver.sweeper")


class Sweeper:
    """A thread of the server's that sweeps until it is stopped, when it is this process's duty."""

    def __init__(self, duty: Duty, expiring: Expiring, tidying: Tidying, every_s: float) -> None:
        self._duty = duty
        self._expiring = expiring
        self._tidying = tidying
        self._every_s = every_s
        self._stopped = threading.Event()

    def start(self) -> None:
        """Starts to sweep."""
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
                if self._duty.is_ours():
                    self._expiring.sweep()
                    self._tidying.step()
            except DatabaseBusy as error:
                log.warning("the sweep is put off: %s", error)
            except Exception as error:
                fault(log, "the sweep failed; it goes on", error)
