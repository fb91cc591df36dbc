"""Elects one of the server processes on a database to run the background work; another takes over when it ends."""

from jobserver.core.concurrency import run_in_thread
from jobserver.store.database import Database


class Leader:
    """A lock that the operating system or PostgreSQL releases when the process ends, also after a crash."""

    def __init__(self, database: Database) -> None:
        self._dialect = database.dialect

    def is_leader(self) -> bool:
        """Returns whether this process is the leader; it takes over a free lock. May raise DatabaseBusy."""
        if self._dialect.blocks:
            return run_in_thread(self._dialect.acquire_leadership)
        return self._dialect.acquire_leadership()

    def release(self) -> None:
        """Releases the lock, so that another process can take over."""
        self._dialect.release_leadership()
