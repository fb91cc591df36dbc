"""Reads the database of a server from outside: its content, and a check of its counters."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.support.server import Server

_JOBS = """SELECT job.jobid, job.* FROM job JOIN job_list ON job_list.id = job.list_id WHERE job_list.name = ?"""
_RECOUNT = """SELECT jobstage, COUNT(*), SUM(CASE WHEN overdue = 1 OR outcome <> 'none' THEN 1 ELSE 0 END),
    SUM(CASE WHEN outcome <> 'none' THEN 1 ELSE 0 END), SUM(CASE WHEN outcome = 'cancelled' THEN 1 ELSE 0 END)
    FROM job JOIN job_list ON job_list.id = job.list_id WHERE job_list.name = ? GROUP BY jobstage"""
_COUNTERS = """SELECT stage, jobs, flagged, failed, cancelled FROM stage_count JOIN job_list ON job_list.id = list_id
    WHERE name = ? AND (jobs <> 0 OR flagged <> 0 OR failed <> 0 OR cancelled <> 0)"""


class Database:
    """A separate connection in autocommit mode. Parameters are written as `?`."""

    def __init__(self, server: Server) -> None:
        uri = server.environment["JOBSERVER_DATABASE_URI"]
        self.postgresql = uri.startswith("postgresql")
        self.driver: Any
        if self.postgresql:
            self.driver = psycopg.connect(uri, autocommit=True)
        else:
            self.driver = sqlite3.connect(file_of(server), timeout=30, isolation_level=None)

    def run(self, sql: str, *values: object) -> Any:
        """A cursor."""
        return self.driver.execute(sql.replace("%", "%%").replace("?", "%s") if self.postgresql else sql, values)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a SELECT."""
        result: list[tuple[Any, ...]] = self.run(sql, *values).fetchall()
        return result

    def close(self) -> None:
        """Closes the connection and its open transaction."""
        self.driver.close()

    def tables(self) -> dict[str, list[str]]:
        """Every row of every table, without the time of the last sweep."""
        names = (
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            if self.postgresql
            else "SELECT name FROM sqlite_master WHERE type = 'table'"
        )
        tables = {name: sorted(map(repr, self.rows(f'SELECT * FROM "{name}"'))) for (name,) in self.rows(names)}
        if "metadata" in tables:  # not in databases of old versions
            tables["metadata"] = [row for row in tables["metadata"] if not row.startswith("('last_sweep'")]
        return tables

    def jobs(self, name: str) -> dict[int, dict[str, Any]]:
        """The rows of a list's jobs, by their ids."""
        cursor = self.run(_JOBS, name)
        columns = [column[0] for column in cursor.description]
        return {row[0]: dict(zip(columns, row, strict=True)) for row in cursor.fetchall()}

    def counters(self, name: str) -> dict[int, tuple[int, int, int]]:
        """The counters of each stage of a list: jobs, flagged, failed."""
        return {row[0]: tuple(row[1:]) for row in self.rows(_COUNTERS, name)}

    def recount(self, name: str) -> dict[int, tuple[int, int, int]]:
        """The same numbers, counted from the jobs."""
        return {row[0]: tuple(row[1:]) for row in self.rows(_RECOUNT, name)}


def file_of(server: Server) -> Path:
    """The path of a server's SQLite file."""
    uri = server.environment["JOBSERVER_DATABASE_URI"]
    return Path(uri.removeprefix("sqlite:///") if uri else f"{server.environment['JOBSERVER_INSTANCE']}/jobs.sqlite")


@contextmanager
def opened(server: Server) -> Iterator[Database]:
    """The database of a server."""
    with closing(Database(server)) as database:
        yield database


def rows(server: Server, sql: str) -> list[tuple[Any, ...]]:
    """Runs one statement. Returns its rows."""
    with opened(server) as database:
        return database.rows(sql)


def jobs(server: Server, name: str) -> dict[int, dict[str, Any]]:
    """The rows of a list's jobs by id, after a check of the counters."""
    with opened(server) as database:
        assert database.counters(name) == database.recount(name)
        return database.jobs(name)
