"""A look into a server's database, beside the server."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import psycopg

from tests.support.server import Server


def file_of(server: Server) -> Path:
    """Where its SQLite file is."""
    uri = server.environment["JOBSERVER_DATABASE_URI"]
    return Path(uri.removeprefix("sqlite:///")) if uri else server.folder / "instance" / "jobs.sqlite"


def opened(server: Server) -> Any:
    """A connection in autocommit, that closes with its `with`."""
    uri = server.environment["JOBSERVER_DATABASE_URI"]
    if uri.startswith("postgresql"):
        return contextlib.closing(psycopg.connect(uri, autocommit=True))
    return contextlib.closing(sqlite3.connect(file_of(server), isolation_level=None, timeout=20))


def rows(server: Server, sql: str) -> list[tuple[Any, ...]]:
    """The rows of one statement."""
    with opened(server) as connection:
        return [tuple(row) for row in connection.execute(sql).fetchall()]
