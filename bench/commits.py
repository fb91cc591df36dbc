"""Commits a second of the databases alone: one connection inserts one row in each commit."""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from bench.databases import postgresql

FOR_S = 1.5
SQLITE, POSTGRESQL = "SQLite commits", "PostgreSQL commits"


def rate(commit: Callable[[int], object]) -> float:
    """Calls a second of commit(number)."""
    started, number = time.perf_counter(), 0
    while (elapsed_s := time.perf_counter() - started) < FOR_S:
        commit(number)
        number += 1
    return number / elapsed_s


def measured() -> dict[str, float]:
    """Measures both databases."""
    insert = "INSERT INTO job VALUES "
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sqlite = sqlite3.connect(Path(folder) / "commits.sqlite", isolation_level=None)
        sqlite.execute("PRAGMA journal_mode=WAL")
        sqlite.execute("PRAGMA synchronous=FULL")
        sqlite.execute("CREATE TABLE job (id INTEGER PRIMARY KEY)")
        on_sqlite = rate(lambda number: sqlite.execute(f"{insert} (?)", (number,)))
        sqlite.close()
    with postgresql() as uri, psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE TABLE job (id INTEGER PRIMARY KEY)")
        on_postgresql = rate(lambda number: connection.execute(f"{insert} (%s)", (number,)))
    return {SQLITE: on_sqlite, POSTGRESQL: on_postgresql}
