"""Connections to SQLite and PostgreSQL, and what differs between the two."""

import os
import random
import re
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import psutil
import psycopg
from sqlalchemy import Engine
from sqlalchemy.pool import NullPool

from jobserver.concurrency import real_thread
from jobserver.config import Settings
from jobserver.errors import CannotStart, DatabaseBusy

NETWORK_FILESYSTEMS = {
    "nfs", "nfs4", "lustre", "gpfs", "cifs", "smb3", "smbfs", "beegfs", "ceph", "fuse.ceph", "glusterfs",
    "fuse.glusterfs", "fuse.sshfs", "afs", "pvfs2", "orangefs", "panfs", "ocfs2", "9p", "wekafs",
}  # fmt: skip
_DURABLE = """SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'"""  # what was answered is on the disk
OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING
DRIVER_ERRORS = (sqlite3.Error, psycopg.Error)
DATABASE_FAILS = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)  # and not: is misused
COLLISIONS = (  # with another server process: the same again will do
    psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation
)  # fmt: skip
ANSWERS_IN_S = 1  # beyond what a statement may wait for a lock
LONG_S = 600  # the same for one that goes through many rows
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock{}(5704261)"

Row = tuple[Any, ...]
T = TypeVar("T")


class Silent(psycopg.OperationalError):
    """PostgreSQL took a statement, and doesn't answer."""


class Connection:
    """One driver connection, in autocommit: begin, statements, commit. Statements name their values as `:name`.

    `long`: its statements may go through many rows, and take their time.
    """

    def __init__(self, driver: Any, postgresql: bool, busy_timeout_s: float) -> None:
        self.driver = driver
        self.postgresql = postgresql
        self.long = False
        self._busy_timeout_s = busy_timeout_s
        if postgresql:
            driver.wait = self._wait

    def execute(self, sql: str, values: dict[str, Any]) -> Any:
        """A cursor of the driver."""
        return self.driver.execute(_psycopg_style(sql) if self.postgresql else sql, values)

    def all(self, sql: str, **values: Any) -> list[Row]:
        """The rows of a statement."""
        rows: list[Row] = self.execute(sql, values).fetchall()
        return rows

    def begin(self, exclusive: bool = False) -> None:
        """Begins to write. On SQLite this waits for its turn; DatabaseBusy after busy_timeout_s. `exclusive`: alone on
        PostgreSQL too, where else many write.

        SQLite's own waiting sleeps up to 100 ms between two tries, and starves beside a busy process: so it is ours.
        """
        if self.postgresql:
            self.driver.execute(_BEGIN.format("" if exclusive else "_shared"))
            return
        give_up = time.monotonic() + self._busy_timeout_s
        while not self.try_begin():
            if time.monotonic() >= give_up:
                raise DatabaseBusy(
                    f"Another process kept the database locked for {self._busy_timeout_s:g} s; try again."
                )
            time.sleep(random.uniform(0.0002, 0.002))

    def try_begin(self) -> bool:
        """Begins to write if nobody else does (SQLite)."""
        try:
            self.driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise
        return True

    def commit(self) -> None:
        """Ends the transaction; what it did is on the disk when this returns."""
        self.driver.execute("COMMIT")

    def rollback(self) -> None:
        """Ends the transaction as if it had never been; nothing if there is none."""
        if self.postgresql or self.driver.in_transaction:
            self.driver.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the driver's connection."""
        self.driver.close()

    def _wait(self, statement: Any, interval: float = 0.1) -> Any:
        """psycopg waits for every answer by this, for ever if need be."""
        limit_s = LONG_S if self.long else self._busy_timeout_s + ANSWERS_IN_S
        return type(self.driver).wait(self.driver, _bounded(statement, time.monotonic() + limit_s), interval)


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
            return real_thread(self._look, reads, long) if self.postgresql or long else self._look(reads)
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
    if settings.uri.startswith("sqlite"):
        return {}
    silent_s = max(2, round(settings.busy_timeout_s))
    return {
        "connect_timeout": silent_s, "tcp_user_timeout": silent_s * 1000,
        "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3,
    }  # fmt: skip


def refuse_missing(settings: Settings) -> None:
    """CannotStart for a command on a database that isn't there: a new one would say that all is well."""
    file = settings.sqlite_file
    if file is not None and not file.exists():
        raise CannotStart(
            f"There is no database at {file}. Are JOBSERVER_INSTANCE and JOBSERVER_DATABASE_URI those of the server?"
        )


def refuse_unfit(settings: Settings, mounts: Callable[[], dict[str, str]] | None = None) -> None:
    """CannotStart where SQLite is too old, its file can't be written, or would lie on a network file system, which
    corrupts it."""
    file = settings.sqlite_file
    if file is None:
        return
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise CannotStart(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer, or PostgreSQL, is needed.")
    if file.exists() and not os.access(file, os.W_OK):
        raise CannotStart(f"The database {file} can't be written to by this user.")
    path = str(file.resolve())  # past links, and from the current folder
    kind = _filesystem(path, (mounts or _mounts)())
    if kind in NETWORK_FILESYSTEMS and not settings.allow_network_filesystem:
        raise CannotStart(
            f"{path} lies on a network file system ({kind}), where SQLite loses data. Name a local folder by"
            " JOBSERVER_INSTANCE, use PostgreSQL, or set JOBSERVER_ALLOW_NETWORK_FILESYSTEM=1 and take the risk."
        )


def _mounts() -> dict[str, str]:
    return {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}


def _filesystem(path: str, mounts: dict[str, str]) -> str:
    inside = [mount for mount in mounts if (path + "/").startswith(mount.rstrip("/") + "/")]
    return mounts[max(inside, key=len)].lower() if inside else ""


def _bounded(statement: Generator[Any, Any, T], give_up: float) -> Generator[Any, Any, T]:
    """The steps of one of psycopg's statements, but not for ever."""
    try:
        wanted = next(statement)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > give_up:
                raise Silent("PostgreSQL does not answer")
            wanted = statement.send(ready)
    except StopIteration as end:
        value: T = end.value
        return value


@lru_cache(maxsize=512)
def _psycopg_style(sql: str) -> str:
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", sql.replace("%", "%%"))
