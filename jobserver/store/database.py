"""Opens connections, runs reads, and elects the server process that runs the background work."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from jobserver.core.concurrency import run_in_thread
from jobserver.core.errors import DatabaseBusy, DatabaseLost, Unavailable
from jobserver.core.settings import Settings
from jobserver.store import postgresql
from jobserver.store.connection import DATABASE_FAILS, Connection, Dialect, Row, Silent
from jobserver.store.location import sqlite_file
from jobserver.store.sqlite import Sqlite

T = TypeVar("T")


class Database:
    """The database of a server."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.dialect = dialect_of(engine, settings)
        self._idle: deque[Connection] = deque()
        self._reads: deque[None] = deque()  # one entry for each running read

    def connect(self) -> Connection:
        """Returns a new connection; the caller closes it. Unavailable if the database cannot be reached."""
        try:
            return self.dialect.connect()
        except DatabaseLost:
            raise
        except Exception as error:
            raise self.failure("The database cannot be reached; try again, and check the server's log.") from error

    def failure(self, message: str) -> Unavailable:
        """Returns the error for a failed access: DatabaseLost if the file is the reason, else DatabaseBusy."""
        try:
            self.dialect.check_file()
        except DatabaseLost as error:
            return error
        return DatabaseBusy(message)

    def read(self, sql: str, **values: Any) -> list[Row]:
        """Returns the rows of one SELECT."""
        return self.look(lambda connection: connection.all(sql, **values))

    def look(self, reads: Callable[[Connection], T], long: bool = False) -> T:
        """Returns reads(connection). All of its statements see the same snapshot of the database.

        Unavailable if the database fails. On SQLite a short read never waits. `long`: it processes many rows.
        """
        self._reads.append(None)
        try:
            return run_in_thread(self._look, reads, long) if self.dialect.blocks or long else self._look(reads)
        finally:
            self._reads.pop()

    @property
    def busy(self) -> bool:
        """Whether a read is running."""
        return bool(self._reads)

    def _look(self, reads: Callable[[Connection], T], long: bool = False) -> T:
        try:
            idle = self._idle.popleft()
        except IndexError:
            return self._look_by(self.connect(), reads, long)
        try:
            return self._look_by(idle, reads, long)
        except DatabaseBusy as error:
            if not self.dialect.reconnects or isinstance(error.__cause__, Silent):
                raise
        self.close()  # the other connections are lost too
        return self._look_by(self.connect(), reads, long)

    def _look_by(self, connection: Connection, reads: Callable[[Connection], T], long: bool) -> T:
        connection.long = long
        try:
            connection.begin_read()
            value = reads(connection)
            connection.rollback()
        except BaseException as error:
            connection.close()
            if isinstance(error, DATABASE_FAILS):
                raise self.failure("The database could not be read now; try again.") from error
            raise
        self._idle.append(connection)
        return value

    def close(self) -> None:
        """Closes the idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.popleft().close()


class Leader:
    """Elects one of the server processes on a database to run the background work; another takes over when it ends.

    The operating system or PostgreSQL releases the lock when the process ends, also after a crash.
    """

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


def dialect_of(engine: Engine, settings: Settings) -> Dialect:
    """Returns the dialect of an engine."""
    kind = Sqlite if engine.dialect.name == Sqlite.name else postgresql.Postgresql
    return kind(engine, settings.busy_timeout_s)


def engine_options(settings: Settings) -> dict[str, Any]:
    """Returns the options of SQLAlchemy's engine, which creates the tables: no pool, and a connect timeout."""
    options = {} if sqlite_file(settings) is not None else postgresql.connect_options(settings.busy_timeout_s)
    return {"poolclass": NullPool, "connect_args": options}
