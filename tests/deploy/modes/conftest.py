"""Tests of every async mode, on SQLite and partly on PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient, Server

MODES = ("eventlet", "gevent", "threading")
MAX_BODY_MB = 16


@pytest.fixture(scope="session", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """The async mode of the server."""
    return str(request.param)


@pytest.fixture(scope="session")
def kind() -> str:
    """The kind of database. Some tests override it to run on both kinds."""
    return "sqlite"


@pytest.fixture(scope="session")
def shared(
    mode: str, kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests that need only a new list."""
    uri = "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
    folder = tmp_path_factory.mktemp(f"{mode}-{kind}")
    server = Server(folder, uri, async_mode=mode, max_body_mb=str(MAX_BODY_MB)).start()
    yield server
    server.kill()


@pytest.fixture
def api(shared: Server, jobix: int) -> ApiClient:
    """Requests with a new key to the shared server."""
    return ApiClient(shared.url, jobix)
