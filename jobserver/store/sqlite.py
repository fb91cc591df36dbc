"""The SQLite dialect: one file, one writer at a time, statements short enough for the event loop."""

import fcntl
import logging
import os
import random
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection as EngineConnection
from sqlalchemy import Engine, event

from jobserver.core.errors import CannotStart, DatabaseBusy, DatabaseLost
from jobserver.store.connection import Connection, Dialect

FLUSH_FAILED = 1034  # SQLITE_IOERR_FSYNC
log = logging.getLogger("jobserver")


class SqliteConnection(Connection):
    """A connection to the file."""

    def try_begin(self) -> bool:
        """Begins a write transaction if no other process writes; returns whether it did."""
        self.dialect.check_file()
        try:
            self.driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise
        return True

    def begin(self, exclusive: bool = False) -> None:
        """Begins a write transaction; retries about every millisecond. SQLite's busy handler sleeps up to 100 ms
        between two tries, and starves next to a busy process."""
        give_up = time.monotonic() + self.dialect.busy_timeout_s
        while not self.try_begin():
            if time.monotonic() >= give_up:
                raise DatabaseBusy(
                    f"Another process kept the database locked for {self.dialect.busy_timeout_s:g} s; try again."
                )
            time.sleep(random.uniform(0.0002, 0.002))

    def begin_read(self) -> None:
        """Begins a snapshot."""
        self.dialect.check_file()
        self.driver.execute("BEGIN")

    def commit(self) -> None:
        """Ends the transaction with a flush, which `synchronous = FULL` demands. DatabaseLost if the file is missing or
        replaced by then, so that the change may be lost."""
        self.driver.execute("COMMIT")
        self.dialect.check_file()

    def rollback(self) -> None:
        """Undoes the transaction, if there is one."""
        if self.driver.in_transaction:
            self.driver.execute("ROLLBACK")


class Sqlite(Dialect):
    """The dialect of SQLite."""

    name = "sqlite"
    blocks = False
    scan_order_matters = True
    reconnects = False
    fragments: ClassVar[Mapping[str, str]] = {
        "any_of": "IN (",
        "end_any": ")",
        "skip_locked": "",
        "like": "LIKE",
        "wait_locked": "",
        "json_ids": "SELECT value FROM json_each(:ids)",
        "json_rows": "json_each(:rows) AS row",
        "int0": "json_extract(row.value, '$[0]')",
        "int1": "json_extract(row.value, '$[1]')",
        "int2": "json_extract(row.value, '$[2]')",
        "int5": "json_extract(row.value, '$[5]')",
        "int6": "json_extract(row.value, '$[6]')",
        "text1": "json_extract(row.value, '$[1]')",
        "text3": "json_extract(row.value, '$[3]')",
        "text4": "json_extract(row.value, '$[4]')",
        "numbered_text0": "json_extract(:rows, '$[' || number || '][0]')",
        "numbered_text1": "json_extract(:rows, '$[' || number || '][1]')",
        # `|| ''`: use the index of job ids, because all jobs of a batch may have the same claim
        "proved_reports": """SELECT held.id FROM json_each(:rows) AS row CROSS JOIN job AS held
            WHERE held.list_id = :list AND held.jobid = json_extract(row.value, '$[0]')
            AND held.claim || '' = json_extract(row.value, '$[1]')""",
        "lock_token": "",  # not needed: there is one writer
    }

    def __init__(self, engine: Engine, busy_timeout_s: float) -> None:
        super().__init__(engine, busy_timeout_s)
        self._file = Path(str(engine.url.database)).absolute()
        self._identity = self._read_identity()
        self._lost = False
        self._lock_file: int | None = None
        self._leads = False

    def connect(self) -> Connection:
        """Returns a connection whose commits flush to the disk."""
        self.check_file()  # SQLite would create a missing file
        driver = self.new_driver_connection({})
        driver.isolation_level = None
        driver.execute("PRAGMA synchronous = FULL")
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute("PRAGMA busy_timeout = 0")  # begin() waits instead
        return SqliteConnection(driver, self)

    def check_file(self) -> None:
        """Raises DatabaseLost if the file is missing or replaced since the start: SQLite keeps using the old one."""
        lost = self._read_identity() != self._identity
        if lost and not self._lost:
            log.error("the database file %s was deleted or replaced: every response is 503", self._file)
        elif self._lost and not lost:
            log.warning("the database file %s is back", self._file)
        self._lost = lost
        if lost:
            raise DatabaseLost(
                "The server's database file was deleted or replaced. The administrator can put it back, or stop"
                " the server and restore a backup."
            )

    def _read_identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._file)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def may_be_committed(self, error: Exception) -> bool:
        """Returns True for a failed flush: all data is written by then, so the next process may find the commit. Also
        for a lost file, which the administrator may put back."""
        if isinstance(error, DatabaseLost):
            return True
        code = getattr(error, "sqlite_errorcode", None)
        return "disk I/O" in str(error) if code is None else code == FLUSH_FAILED  # None: before Python 3.11

    def index_names(self, connection: Connection) -> set[str]:
        """Returns the names in the schema."""
        return {name for (name,) in connection.all("SELECT name FROM sqlite_master WHERE type = 'index'")}

    def missing_indexes(self, connection: Connection, wanted: set[str]) -> list[str]:
        """Returns the wanted indexes that are not in the schema."""
        return sorted(wanted - self.index_names(connection))

    def file_problems(self, connection: Connection) -> list[str]:
        """Returns the problems that PRAGMA integrity_check finds."""
        return [line for (line,) in connection.all("PRAGMA integrity_check") if line != "ok"]

    def acquire_leadership(self) -> bool:
        """Locks a file beside the database; the operating system releases it when the process ends."""
        if self._leads:
            return True
        path = self._file.with_name(f"{self._file.name}-sweeper")
        try:
            if self._lock_file is None:
                self._lock_file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks: two sweepers are harmless, no sweeper is not
            log.warning("the sweeper's lock file is unusable (%s): this process sweeps without it", error)
        self._leads = True
        return True

    def release_leadership(self) -> None:
        """Closes the lock file."""
        self._leads = False
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def prepare_schema(self) -> None:
        """Lets SQLAlchemy, not sqlite3, begin the transactions, and switches the file to write-ahead logging."""
        event.listen(self.engine, "connect", lambda driver, _record: setattr(driver, "isolation_level", None))
        event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        for wait_s in (0.05, 0.1, 0.2, 0.4, 0.8, None):  # another starting server may lock the file briefly
            driver = self.engine.raw_connection()
            try:
                driver.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except Exception as error:
                if wait_s is None or "locked" not in str(error):
                    raise CannotStart(
                        f"The database file {self.engine.url.database} cannot be opened: {error}."
                    ) from error
                time.sleep(wait_s)
            finally:
                driver.close()

    def lock_schema(self, connection: EngineConnection) -> None:
        """Does nothing: an immediate transaction excludes other writers."""
