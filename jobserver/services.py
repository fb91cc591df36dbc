"""What one server process is made of, for its routes and commands."""

import os
from dataclasses import dataclass, field

from flask import current_app

from jobserver.claims import Claims
from jobserver.config import Settings
from jobserver.database import Database
from jobserver.expiring import Expiring
from jobserver.jobix import Keys
from jobserver.live import Live
from jobserver.steering import Steering
from jobserver.submitting import Submitting
from jobserver.sweeper import Sweeper
from jobserver.waiting import Waiting
from jobserver.writer import Writer

NAME = "jobserver"


@dataclass
class Services:
    """The parts, wired by create_app()."""

    settings: Settings
    database: Database
    writer: Writer
    waiting: Waiting
    keys: Keys
    claims: Claims
    submitting: Submitting
    expiring: Expiring
    steering: Steering
    sweeper: Sweeper
    live: Live
    _started_in: int = field(default=0)

    def start(self) -> None:
        """Starts what runs beside the requests: once in a process, and not in the parent of one that forks."""
        if self._started_in != os.getpid():
            self._started_in = os.getpid()
            self.sweeper.start()

    def drain(self) -> None:
        """Lets the requests end that wait, and starts nothing new."""
        self.sweeper.stop()
        self.waiting.close()
        self.live.close()


def services() -> Services:
    """The parts of the server that the current request, or command, belongs to."""
    found: Services = current_app.extensions[NAME]
    return found
