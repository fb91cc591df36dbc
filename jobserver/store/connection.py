"""One connection to SQLite or PostgreSQL, and what differs between the two drivers."""

import random
import re
import sqlite3
import time
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import psycopg

from jobserver.core.errors import DatabaseBusy

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

    def many(self, sql: str, rows: Sequence[dict[str, Any]]) -> int:
        """Runs a statement for each of the rows; how many there are."""
        if rows:
            cursor = self.driver.cursor()
            cursor.executemany(_psycopg_style(sql) if self.postgresql else sql, rows)
        return len(rows)

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
