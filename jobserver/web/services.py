"""The parts of one server process, for its routes and commands."""

from dataclasses import dataclass
from typing import Protocol

from flask import current_app

from jobserver.core.settings import Settings
from jobserver.feed.heartbeat_waits import HeartbeatWaits
from jobserver.feed.live import Live
from jobserver.feed.long_poll import LongPolls
from jobserver.jobs.access import Keys
from jobserver.jobs.claims import Claims
from jobserver.jobs.expiry import Expiry
from jobserver.jobs.list_keeper import ListKeeper
from jobserver.jobs.lists import Lists
from jobserver.jobs.operator import Operator
from jobserver.jobs.set_aside import HostCare
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue

NAME = "jobserver"


class Background(Protocol):
    """Background work."""

    def start(self) -> None:
        """Starts the work; does nothing if it runs in this process already."""

    def stop(self) -> None:
        """Stops the work after the current step."""


@dataclass
class Services:
    """The parts, wired by create_app()."""

    settings: Settings
    database: Database
    commit_queue: CommitQueue
    long_polls: LongPolls
    heartbeat_waits: HeartbeatWaits
    keys: Keys
    claims: Claims
    lists: Lists
    expiry: Expiry
    list_keeper: ListKeeper
    operator: Operator
    host_care: HostCare
    sweeper: Background
    live: Live

    def start(self) -> None:
        """Starts the background work of this process, once."""
        self.sweeper.start()

    def drain(self) -> None:
        """Ends waiting requests and stops the background work."""
        self.sweeper.stop()
        self.long_polls.close()
        self.heartbeat_waits.close()
        self.live.close()


def services() -> Services:
    """Returns the parts of the server of the current request or command."""
    parts: Services = current_app.extensions[NAME]
    return parts
