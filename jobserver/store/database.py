"""Where connections to SQLite and PostgreSQL come from, and who may look."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from jobserver.core.concurrency import run_in_thread
from jobserver.core.errors import DatabaseBusy
from jobserver.core.settings import Settings
from jobserver.store.connection import DATABASE_FAILS, Connection, Row, Silent
from jobserver.store.location import database_uri

_DURABLE = """SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'"""  # what was answered is on the disk

T = TypeVar("T")


class Database:
    """Where connections come from."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.postgresql = engine.dialect.name == "postgresql"
        self._idle: deque[Connection] = deque()
        self._looks: deque[None] = deque()  # one for each that is under way

    def connect(self) -> Connection:
        """A connection of its own for the caller, who closes it. DatabaseBusy when there is none to be had.

        The dialect makes it, not the engine: an engine and its pool have locks, which under an event loop must not be
        taken in real threads: who has to wait for one there is never woken.
        """
        try:
            where, options = self.engine.dialect.create_connect_args(self.engine.url)
            driver: Any = self.engine.dialect.connect(*where, **{**options, **_connect_options(self.settings)})
            made = Connection(driver, self.postgresql, self.settings.busy_timeout_s)
            if self.postgresql:
                driver.autocommit = True
                driver.execute(_DURABLE)
                driver.execute(f"SET lock_timeout = {max(1, round(self.settings.busy_timeout_s * 1000))}")
            else:
                driver.isolation_level = None
                driver.execute("PRAGMA synchronous = FULL")
                driver.execute("PRAGMA foreign_keys = ON")
                driver.execute("PRAGMA busy_timeout = 0")  # begin() waits, and fairly
        except Exception as error:
            raise DatabaseBusy("The database can't be reached; try again, and look at the server's log.") from error
        return made

    def read(self, sql: str, **values: Any) -> list[Row]:
        """The rows of one statement that changes nothing."""
        return self.look(lambda connection: connection.all(sql, **values))

    def look(self, reads: Callable[[Connection], T], long: bool = False) -> T:
        """reads(connection), which sees one state of the database however many statements it makes.

        DatabaseBusy when the database fails. On SQLite a short look doesn't wait for anything. `long`: it goes through
        many rows.
        """
        self._looks.append(None)
        try:
            return run_in_thread(self._look, reads, long) if self.postgresql or long else self._look(reads)
        finally:
            self._looks.pop()

    @property
    def busy(self) -> bool:
        """Whether something is being read."""
        return bool(self._looks)

    def _look(self, reads: Callable[[Connection], T], long: bool = False) -> T:
        try:
            kept = self._idle.popleft()
        except IndexError:
            return self._look_by(self.connect(), reads, long)
        try:
            return self._look_by(kept, reads, long)
        except DatabaseBusy as error:
            if not self.postgresql or isinstance(error.__cause__, Silent):
                raise
        self.close()  # the others are lost too
        return self._look_by(self.connect(), reads, long)

    def _look_by(self, connection: Connection, reads: Callable[[Connection], T], long: bool) -> T:
        connection.long = long
        try:
            connection.driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if self.postgresql else "BEGIN")
            found = reads(connection)
            connection.driver.execute("ROLLBACK")
        except BaseException as error:
            connection.close()
            if isinstance(error, DATABASE_FAILS):
                raise DatabaseBusy("The database could not be read now; try again.") from error
            raise
        self._idle.append(connection)
        return found

    def close(self) -> None:
        """Closes the idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.popleft().close()


def engine_options(settings: Settings) -> dict[str, Any]:
    """How SQLAlchemy's engine, which sees to the schema, is made: no pool, and no endless wait for a connection."""
    return {"poolclass": NullPool, "connect_args": _connect_options(settings)}


def _connect_options(settings: Settings) -> dict[str, Any]:
    """For PostgreSQL: no endless wait for a server that is gone, nor for one that fell silent."""
    if database_uri(settings).startswith("sqlite"):
        return {}
    silent_s = max(2, round(settings.busy_timeout_s))
    return {
        "connect_timeout": silent_s, "tcp_user_timeout": silent_s * 1000,
        "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3,
    }  # fmt: skip
