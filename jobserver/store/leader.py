"""Which of the server processes on one database looks at the clock: one does, and when it ends, another."""

import fcntl
import logging
import os
from pathlib import Path

from jobserver.core.concurrency import run_in_thread
from jobserver.core.errors import DatabaseBusy
from jobserver.store.connection import DRIVER_ERRORS, Connection
from jobserver.store.database import Database

LOCK = 5_704_262  # an advisory lock of PostgreSQL; schema.py and connection.py have the two before
log = logging.getLogger("jobserver.sweeper")


class Leader:
    """A lock that the operating system, or PostgreSQL, takes from a process that ends, however it ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._file: int | None = None
        self._connection: Connection | None = None
        self._held = False

    def is_leader(self) -> bool:
        """Whether it is this process's turn; takes it if nobody has it. DatabaseBusy: nobody can tell now."""
        return run_in_thread(self._advisory) if self._database.postgresql else self._locked_file()

    def release(self) -> None:
        """Leaves it to another process."""
        self._held = False
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            run_in_thread(_close, connection)

    def _locked_file(self) -> bool:
        if self._held:
            return True
        database = Path(str(self._database.engine.url.database)).absolute()
        path = database.with_name(f"{database.name}-sweeper")
        try:
            if self._file is None:
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks: two that sweep do no harm, none would
            log.warning("the sweeper's lock can't be had (%s): this process sweeps all the same", error)
        self._held = True
        return True

    def _advisory(self) -> bool:
        try:
            if self._connection is None:
                self._held = False
                self._connection = self._database.connect()
            if self._held:
                self._connection.all("SELECT 1")  # with the connection the lock would be gone
            else:
                self._held = bool(self._connection.all("SELECT pg_try_advisory_lock(:lock)", lock=LOCK)[0][0])
        except DRIVER_ERRORS as error:
            connection, self._connection = self._connection, None
            if connection:
                _close(connection)
            raise DatabaseBusy("The database could not be asked now.") from error
        return self._held


def _close(connection: Connection) -> None:
    try:
        connection.close()
    except DRIVER_ERRORS:
        log.warning("a broken connection could not be closed")
