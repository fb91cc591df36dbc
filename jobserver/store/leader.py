"""Which of the server processes on one database runs the background work: one does, and when it ends, another."""

from jobserver.core.concurrency import run_in_thread
from jobserver.store.database import Database


class Leader:
    """A lock that the operating system, or PostgreSQL, takes from a process that ends, however it ends."""

    def __init__(self, database: Database) -> None:
        self._dialect = database.dialect

    def is_leader(self) -> bool:
        """Whether this process leads; it takes over if nobody does. DatabaseBusy: nobody can tell now."""
        if self._dialect.blocks:
            return run_in_thread(self._dialect.acquire_leadership)
        return self._dialect.acquire_leadership()

    def release(self) -> None:
        """Leaves the work to another process."""
        self._dialect.release_leadership()
