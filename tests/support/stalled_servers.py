"""Servers that a foreign lock stops halfway (PostgreSQL), and their responses after its release."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psycopg

from tests.support.server import Server
from tests.support.snapshot import Database


def started(folder: Path, uri: str, **settings: str) -> Iterator[Server]:
    """Two servers on a database, with these settings."""
    with psycopg.connect(uri, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER DATABASE \"{connection.info.dbname}\" SET {name} = '{value}'")
    for name in ("one", "other"):
        (folder / name).mkdir()
        yield Server(folder / name, uri, secret_key="one for both", busy_timeout_s="4").start()


def responses(waiting: "list[Future[Any]]") -> list[tuple[int, Any]]:
    """The (status, JSON) of each response."""
    return [(response.status_code, response.json()) for response in (future.result(30) for future in waiting)]


def hold(database: Database, sql: str) -> None:
    """Runs a statement in a transaction that stays open."""
    database.run("BEGIN")
    database.run(sql)
