"""The interface of a database: the base classes of `sqlite.py` and `postgresql.py`.

SQL is written once, as templates: `{name}` stands for a fragment that differs between the two databases (`FRAGMENTS`
lists them), `:name` for a value.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import psycopg
from sqlalchemy import Connection as EngineConnection
from sqlalchemy import Engine

DRIVER_ERRORS = (sqlite3.Error, psycopg.Error)
DATABASE_FAILS = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)  # not misuse
COLLISIONS = (  # with another server process: a repetition of the transaction succeeds
    psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation
)  # fmt: skip

# any_of … end_any: a subquery that is evaluated once. skip_locked, wait_locked: for rows locked by other transactions.
# json_ids: the numbers of the JSON array :ids. json_rows: the arrays of the JSON array :rows, as row.value; int0, int1,
# int2, int5, int6, text1, text3, text4: their elements, NULL if missing. numbered_text0, numbered_text1: the elements
# of the array with the index `number` in :rows. proved_reports: the ids of the jobs that the pairs (jobid, claim) in
# :rows hold.
FRAGMENTS = (
    "any_of", "end_any", "skip_locked", "wait_locked", "json_ids", "json_rows", "int0", "int1", "int2", "int5",
    "int6", "text1", "text3", "text4", "numbered_text0", "numbered_text1", "proved_reports", "lock_token",
)  # fmt: skip

Row = tuple[Any, ...]


class Silent(psycopg.OperationalError):
    """PostgreSQL accepted a statement and does not respond."""


class Connection(ABC):
    """One driver connection, in autocommit: begin, statements, commit.

    `long`: its statements may process many rows, so a longer timeout applies.
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
        """Runs a statement for each row; returns the number of rows."""
        if rows:
            self.driver.cursor().executemany(self.dialect.statement(sql), rows)
        return len(rows)

    def all(self, sql: str, **values: Any) -> list[Row]:
        """Returns the rows of a statement."""
        rows: list[Row] = self.execute(sql, values).fetchall()
        return rows

    @abstractmethod
    def try_begin(self) -> bool:
        """Begins a write transaction if no wait is needed; returns whether it did."""

    @abstractmethod
    def begin(self, exclusive: bool = False) -> None:
        """Begins a write transaction; waits for a lock up to busy_timeout_s, then raises DatabaseBusy. `exclusive`: no
        other process writes at the same time."""

    @abstractmethod
    def begin_read(self) -> None:
        """Begins a read transaction on a snapshot of the database."""

    @abstractmethod
    def commit(self) -> None:
        """Ends the transaction; its changes are on the disk when this returns."""

    @abstractmethod
    def rollback(self) -> None:
        """Undoes the transaction; does nothing if none is open."""

    def close(self) -> None:
        """Closes the driver's connection."""
        self.driver.close()


class Dialect(ABC):
    """The differences between the two databases. `blocks`: statements may wait, so they run in a real thread.
    `reconnects`: a connection can be lost while the process runs."""

    name: str
    blocks: bool
    reconnects: bool
    scan_order_matters: bool
    fragments: ClassVar[Mapping[str, str]]

    def __init__(self, engine: Engine, busy_timeout_s: float) -> None:
        self.engine = engine
        self.busy_timeout_s = busy_timeout_s
        self.statements: dict[str, str] = {}

    def statement(self, template: str) -> str:
        """Returns the SQL of a template, in the driver's style; rendered once."""
        sql = self.statements.get(template)
        if sql is None:
            sql = self.statements[template] = self.render(template)
        return sql

    def render(self, template: str) -> str:
        """Inserts the fragments."""
        return template.format_map(self.fragments)

    def new_driver_connection(self, connect_options: Mapping[str, Any]) -> Any:
        """Returns a new connection of the driver.

        The engine's dialect creates it, not the engine: an engine and its pool have locks that a real thread must not
        acquire, because a green thread that waits for such a lock is never woken.
        """
        arguments, options = self.engine.dialect.create_connect_args(self.engine.url)
        return self.engine.dialect.connect(*arguments, **{**options, **connect_options})

    @abstractmethod
    def connect(self) -> Connection:
        """Returns a new connection whose commits are durable."""

    @abstractmethod
    def check_file(self) -> None:
        """Raises DatabaseLost if the database file was deleted or replaced."""

    @abstractmethod
    def may_be_committed(self, error: Exception) -> bool:
        """Returns whether a commit that failed with this error may have taken effect."""

    @abstractmethod
    def index_names(self, connection: Connection) -> set[str]:
        """Returns the names of all usable indexes."""

    @abstractmethod
    def missing_indexes(self, connection: Connection, wanted: set[str]) -> list[str]:
        """Returns the missing or broken indexes among `wanted` and the dialect's own."""

    @abstractmethod
    def file_problems(self, connection: Connection) -> list[str]:
        """Returns the problems that an integrity check of the database files finds, one line each."""

    @abstractmethod
    def acquire_leadership(self) -> bool:
        """Acquires the lock for the background work if it is free; returns whether this process holds it."""

    @abstractmethod
    def release_leadership(self) -> None:
        """Releases that lock."""

    @abstractmethod
    def prepare_schema(self) -> None:
        """Configures the engine with which the tables are created or upgraded."""

    @abstractmethod
    def lock_schema(self, connection: EngineConnection) -> None:
        """Excludes every other process that creates or upgrades the tables, until the transaction ends."""
