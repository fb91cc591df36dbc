"""What the store needs of a database: the base classes of `sqlite.py` and `postgresql.py`.

SQL is written once, as templates: `{name}` stands for a fragment that the two databases spell differently (`FRAGMENTS`
lists them), `:name` for a value.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection as EngineConnection
from sqlalchemy import Engine

DRIVER_ERRORS = (sqlite3.Error, psycopg.Error)
DATABASE_FAILS = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)  # and not: is misused
COLLISIONS = (  # with another server process: the same transaction succeeds when it is repeated
    psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation
)  # fmt: skip

# any_of … end_any: a subquery that is evaluated once. skip_locked, wait_locked: how it treats rows that others locked.
# json_ids: the numbers of the JSON array :ids. json_rows: the arrays of the JSON array :rows, as row.value; int0, int1,
# int2, text1, text3: their elements. proved_reports: the ids of the jobs that the pairs (jobid, claim) in :rows hold.
FRAGMENTS = (
    "any_of", "end_any", "skip_locked", "wait_locked", "json_ids", "json_rows", "int0", "int1", "int2", "text1",
    "text3", "proved_reports", "lock_token",
)  # fmt: skip

Row = tuple[Any, ...]


class Silent(psycopg.OperationalError):
    """PostgreSQL accepted a statement and does not answer."""


class Connection(ABC):
    """One driver connection, in autocommit: begin, statements, commit.

    `long`: its statements may go through many rows, and take their time.
    """

    def __init__(self, driver: Any, dialect: "Dialect") -> None:
        self.driver = driver
        self.dialect = dialect
        self.long = False
        self._statements = dialect.statements

    def execute(self, sql: str, values: dict[str, Any]) -> Any:
        """Runs a statement; returns the driver's cursor."""
        return self.driver.execute(self._statements.get(sql) or self.dialect.statement(sql), values)

    def many(self, sql: str, rows: Sequence[dict[str, Any]]) -> int:
        """Runs a statement for each of the rows; returns how many there are."""
        if rows:
            self.driver.cursor().executemany(self.dialect.statement(sql), rows)
        return len(rows)

    def all(self, sql: str, **values: Any) -> list[Row]:
        """The rows of a statement."""
        rows: list[Row] = self.execute(sql, values).fetchall()
        return rows

    @abstractmethod
    def try_begin(self) -> bool:
        """Begins to write if that needs no waiting; returns whether it did."""

    @abstractmethod
    def begin(self, exclusive: bool = False) -> None:
        """Begins to write, waiting for a lock if need be; DatabaseBusy after busy_timeout_s. `exclusive`: no other
        process writes meanwhile."""

    @abstractmethod
    def begin_read(self) -> None:
        """Begins to read one state of the database."""

    @abstractmethod
    def commit(self) -> None:
        """Ends the transaction; its changes are on the disk when this returns."""

    @abstractmethod
    def rollback(self) -> None:
        """Undoes the transaction; does nothing if there is none."""

    def close(self) -> None:
        """Closes the driver's connection."""
        self.driver.close()


class Dialect(ABC):
    """What differs between the two databases. `blocks`: its statements may wait, so they run in a real thread.
    `reconnects`: its connections can be lost while the process lives."""

    name: str
    blocks: bool
    reconnects: bool
    scan_order_matters: bool
    fragments: Mapping[str, str]

    def __init__(self, engine: Engine, busy_timeout_s: float) -> None:
        self.engine = engine
        self.busy_timeout_s = busy_timeout_s
        self.statements: dict[str, str] = {}

    def statement(self, template: str) -> str:
        """The SQL of a template, in the driver's style; rendered once."""
        sql = self.statements.get(template)
        if sql is None:
            sql = self.statements[template] = self.render(template)
        return sql

    def render(self, template: str) -> str:
        """Fills the fragments in."""
        return template.format_map(self.fragments)

    def new_driver_connection(self, connect_options: Mapping[str, Any]) -> Any:
        """A connection of the driver.

        The engine's dialect makes it, not the engine: an engine and its pool have locks that a real thread must not
        take, because a green thread that waits for such a lock is never woken.
        """
        where, options = self.engine.dialect.create_connect_args(self.engine.url)
        return self.engine.dialect.connect(*where, **{**options, **connect_options})

    @abstractmethod
    def connect(self) -> Connection:
        """A new connection, durable at commit."""

    @abstractmethod
    def may_be_committed(self, error: Exception) -> bool:
        """Whether a commit that failed with this error may have taken effect all the same."""

    @abstractmethod
    def index_names(self, connection: Connection) -> set[str]:
        """The names of all indexes that are usable."""

    @abstractmethod
    def missing_indexes(self, connection: Connection, wanted: set[str]) -> list[str]:
        """Those of the wanted indexes, and of the dialect's own, that are missing or broken."""

    @abstractmethod
    def file_problems(self, connection: Connection) -> list[str]:
        """What an integrity check of the database's files finds, a line each."""

    @abstractmethod
    def acquire_leadership(self) -> bool:
        """Takes the lock of the process that runs the background work, if it is free; returns whether this process
        holds it."""

    @abstractmethod
    def release_leadership(self) -> None:
        """Releases that lock."""

    @abstractmethod
    def prepare_schema(self) -> None:
        """Configures the engine with which the tables are created or upgraded."""

    @abstractmethod
    def lock_schema(self, connection: EngineConnection) -> None:
        """Excludes every other process that creates or upgrades the tables, until the transaction ends."""
