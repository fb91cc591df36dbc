"""Where connections come from, and how something is read."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from jobserver.core.concurrency import run_in_thread
from jobserver.core.errors import DatabaseBusy
from jobserver.core.settings import Settings
from jobserver.store import postgresql
from jobserver.store.connection import DATABASE_FAILS, Connection, Dialect, Row, Silent
from jobserver.store.location import sqlite_file
from jobserver.store.sqlite import Sqlite

T = TypeVar("T")


class Database:
    """The one database of a server."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.dialect = dialect_of(engine, settings)
        self._idle: deque[Connection] = deque()
        self._looks: deque[None] = deque()  # one for each read that is under way

    def connect(self) -> Connection:
        """A new connection, which the caller closes. DatabaseBusy if the database cannot be reached."""
        try:
            return self.dialect.connect()
        except Exception as error:
            raise DatabaseBusy("The database cannot be reached; try again, and see the server's log.") from error

    def read(self, sql: str, **values: Any) -> list[Row]:
        """The rows of one statement that changes nothing."""
        return self.look(lambda connection: connection.all(sql, **values))

    def look(self, reads: Callable[[Connection], T], long: bool = False) -> T:
        """Returns reads(connection), which sees one state of the database however many statements it runs.

        DatabaseBusy when the database fails. On SQLite a short read never waits. `long`: it goes through many rows.
        """
        self._looks.append(None)
        try:
            return run_in_thread(self._look, reads, long) if self.dialect.blocks or long else self._look(reads)
        finally:
            self._looks.pop()

    @property
    def busy(self) -> bool:
        """Whether a read is under way."""
        return bool(self._looks)

    def _look(self, reads: Callable[[Connection], T], long: bool = False) -> T:
        try:
            kept = self._idle.popleft()
        except IndexError:
            return self._look_by(self.connect(), reads, long)
        try:
            return self._look_by(kept, reads, long)
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
                raise DatabaseBusy("The database could not be read now; try again.") from error
            raise
        self._idle.append(connection)
        return value

    def close(self) -> None:
        """Closes the idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.popleft().close()


def dialect_of(engine: Engine, settings: Settings) -> Dialect:
    """The dialect of an engine."""
    kind = Sqlite if engine.dialect.name == Sqlite.name else postgresql.Postgresql
    return kind(engine, settings.busy_timeout_s)


def engine_options(settings: Settings) -> dict[str, Any]:
    """Options of SQLAlchemy's engine, which creates the tables: no pool, and no endless wait for a connection."""
    options = {} if sqlite_file(settings) is not None else postgresql.connect_options(settings.busy_timeout_s)
    return {"poolclass": NullPool, "connect_args": options}
