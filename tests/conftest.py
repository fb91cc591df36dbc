"""Fixtures of all tests: real server processes on free ports, each with its own database."""

import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.postgresql import make_postgresql_database, running_postgresql
from tests.support.server import ApiClient, Server
from tests.support.skips import pytest_make_collect_report, pytest_runtest_makereport, pytest_terminal_summary

__all__ = [
    "ROOT",
    "ApiClient",
    "Server",
    "make_postgresql_database",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a background process ignores it, and so would its child processes


@pytest.fixture(scope="session", autouse=True)
def _outbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for the outboxes of all workers, instead of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JM_OUTBOX", str(tmp_path_factory.mktemp("outbox")))
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A real PostgreSQL, for the whole run: its URI, without a database's name."""
    with running_postgresql() as server:
        yield server.get_uri("postgres")


@pytest.fixture
def new_postgresql_database(postgresql: str) -> str:
    """A fresh database's URI."""
    return make_postgresql_database(postgresql)


@pytest.fixture
def database_uri() -> str:
    """The database of a test's own server; empty: SQLite. Folders that test both databases override it."""
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
