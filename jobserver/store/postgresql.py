"""The PostgreSQL dialect: many writers, row locks, reconnection."""

import logging
import re
import time
from collections.abc import Generator, Mapping
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Connection as EngineConnection
from sqlalchemy import Engine, text

from jobserver.core.errors import DatabaseBusy
from jobserver.store.connection import DRIVER_ERRORS, Connection, Dialect, Silent

RESPONSE_S = 1  # timeout of a statement, in addition to its wait for a lock
LONG_S = 600  # timeout of a statement that processes many rows
SCHEMA_LOCK, WRITE_LOCK, LEADER_LOCK = 5_704_260, 5_704_261, 5_704_262  # advisory locks
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock{{}}({WRITE_LOCK})"
_DURABLE = """SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'"""  # an acknowledged change is on the disk
_VALUE = re.compile(r"(?<!:):([a-z_]+)")
log = logging.getLogger("jobserver.sweeper")
T = TypeVar("T")


class PostgresqlConnection(Connection):
    """A connection whose statements have a timeout."""

    def __init__(self, driver: Any, dialect: Dialect) -> None:
        super().__init__(driver, dialect)
        self._plain_wait = driver.wait
        driver.wait = self._wait

    def try_begin(self) -> bool:
        """Returns False: begin() must acquire a lock first."""
        return False

    def begin(self, exclusive: bool = False) -> None:
        """Begins a write transaction; `exclusive`: without other writers."""
        self.driver.execute(_BEGIN.format("" if exclusive else "_shared"))

    def begin_read(self) -> None:
        """Begins a snapshot."""
        self.driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")

    def commit(self) -> None:
        """Ends the transaction with a flush, which `synchronous_commit` demands."""
        self.driver.execute("COMMIT")

    def rollback(self) -> None:
        """Undoes the transaction."""
        self.driver.execute("ROLLBACK")

    def _wait(self, statement: Any, interval: float = 0.1) -> Any:
        """Replaces psycopg's wait for a response, which has no timeout."""
        limit_s = LONG_S if self.long else self.dialect.busy_timeout_s + RESPONSE_S
        return self._plain_wait(_bounded(statement, time.monotonic() + limit_s), interval)


class Postgresql(Dialect):
    """The dialect of PostgreSQL."""

    name = "postgresql"
    blocks = True
    scan_order_matters = False
    reconnects = True
    fragments: ClassVar[Mapping[str, str]] = {
        "any_of": "= ANY(ARRAY(",  # a plain IN (…) may be evaluated again, and would then claim too much
        "end_any": "))",
        "skip_locked": " FOR UPDATE SKIP LOCKED",
        "like": "ILIKE",
        "wait_locked": " FOR UPDATE",
        "json_ids": "SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json))",
        "json_rows": "json_array_elements(CAST(:rows AS json)) AS row(value)",
        "int0": "CAST(row.value ->> 0 AS BIGINT)",
        "int1": "CAST(row.value ->> 1 AS INTEGER)",
        "int2": "CAST(row.value ->> 2 AS INTEGER)",
        "int5": "CAST(row.value ->> 5 AS BIGINT)",
        "int6": "CAST(row.value ->> 6 AS BIGINT)",
        "text1": "row.value ->> 1",
        "text3": "row.value ->> 3",
        "text4": "row.value ->> 4",
        "numbered_text0": "CAST(:rows AS json) -> CAST(number AS INTEGER) ->> 0",
        "numbered_text1": "CAST(:rows AS json) -> CAST(number AS INTEGER) ->> 1",
        # FOR UPDATE: PostgreSQL checks the condition again after the wait for a locked row
        "proved_reports": """SELECT held.id FROM json_array_elements(CAST(:rows AS json)) AS row(value)
            CROSS JOIN LATERAL (SELECT id FROM job WHERE list_id = :list AND jobid = CAST(row.value ->> 0 AS BIGINT)
            AND claim || '' = row.value ->> 1 FOR UPDATE) AS held""",
        "lock_token": "SELECT pg_advisory_xact_lock(hashtextextended(:claim, 0))",
    }

    def __init__(self, engine: Engine, busy_timeout_s: float) -> None:
        super().__init__(engine, busy_timeout_s)
        self._leader_connection: Connection | None = None
        self._leads = False

    def render(self, template: str) -> str:
        """Inserts the fragments; converts the values to psycopg's style."""
        return _VALUE.sub(r"%(\1)s", super().render(template).replace("%", "%%"))

    def connect(self) -> Connection:
        """Returns a connection with durable commits and a lock timeout."""
        driver = self.new_driver_connection(connect_options(self.busy_timeout_s))
        driver.autocommit = True
        driver.execute(_DURABLE)
        driver.execute(f"SET lock_timeout = {max(1, round(self.busy_timeout_s * 1000))}")
        return PostgresqlConnection(driver, self)

    def check_file(self) -> None:
        """Does nothing: PostgreSQL manages its files."""

    def may_be_committed(self, error: Exception) -> bool:
        """Returns True unless the SQLSTATE means that the transaction was rolled back."""
        return (getattr(error, "sqlstate", None) or "08")[:2] in ("08", "57")

    def index_names(self, connection: Connection) -> set[str]:
        """Returns the valid indexes."""
        return {
            name
            for (name,) in connection.all(
                """SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                WHERE i.indisvalid AND i.indisready"""
            )
        }

    def missing_indexes(self, connection: Connection, wanted: set[str]) -> list[str]:
        """Returns the wanted indexes that are not valid, including the unique constraints, which are indexes
        here."""
        return sorted(
            (wanted | {"job_known", "late_result_of_claim", "replica_of_host"}) - self.index_names(connection)
        )

    def file_problems(self, connection: Connection) -> list[str]:
        """Returns no problems: PostgreSQL checks its own files."""
        return []

    def acquire_leadership(self) -> bool:
        """Acquires an advisory lock, which PostgreSQL releases when the connection ends."""
        try:
            if self._leader_connection is None:
                self._leads = False
                self._leader_connection = self.connect()
            if self._leads:
                self._leader_connection.all("SELECT 1")  # the lock ends with the connection
            else:
                self._leads = bool(
                    self._leader_connection.all("SELECT pg_try_advisory_lock(:lock)", lock=LEADER_LOCK)[0][0]
                )
        except DRIVER_ERRORS as error:
            self.release_leadership()
            raise DatabaseBusy("The database did not respond; try again.") from error
        return self._leads

    def release_leadership(self) -> None:
        """Closes the connection that holds the lock."""
        self._leads = False
        connection, self._leader_connection = self._leader_connection, None
        if connection is not None:
            try:
                connection.close()
            except DRIVER_ERRORS:
                log.warning("a broken connection could not be closed")

    def prepare_schema(self) -> None:
        """Does nothing."""

    def lock_schema(self, connection: EngineConnection) -> None:
        """Acquires an advisory lock."""
        connection.execute(text(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"))


def connect_options(busy_timeout_s: float) -> dict[str, Any]:
    """Returns options of libpq that detect a lost or silent server."""
    silent_s = max(2, round(busy_timeout_s))
    return {
        "connect_timeout": silent_s, "tcp_user_timeout": silent_s * 1000,
        "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3,
    }  # fmt: skip


def _bounded(statement: Generator[Any, Any, T], give_up: float) -> Generator[Any, Any, T]:
    """Runs the steps of a psycopg statement; raises Silent after `give_up`."""
    try:
        condition = next(statement)
        while True:
            ready = yield condition
            if not ready and time.monotonic() > give_up:
                raise Silent("PostgreSQL does not respond")
            condition = statement.send(ready)
    except StopIteration as end:
        value: T = end.value
        return value
