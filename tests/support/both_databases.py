"""Fixtures of the tests that run on SQLite and on PostgreSQL; a conftest imports them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient, Server

BOTH = ("sqlite", "postgresql")
on_sqlite = pytest.mark.parametrize("kind", ["sqlite"], indirect=True, scope="session")  # the database cannot matter


@pytest.fixture(scope="session", params=BOTH)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def database_uri(kind: str, request: pytest.FixtureRequest) -> str:
    """A new database for the test."""
    return "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))


@pytest.fixture(scope="session")
def shared(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need only a new list."""
    uri = "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
    server = Server(tmp_path_factory.mktemp(f"shared-{kind}"), uri).start()
    yield server
    server.kill()


@pytest.fixture
def api(shared: Server, jobix: int) -> ApiClient:
    """Requests with a new key to the shared server."""
    return ApiClient(shared.url, jobix)


@pytest.fixture
def closed(new_server: Callable[..., Server], tmp_path: Path, jobix: int) -> Server:
    """A closed server with one list, which permits three wrong keys a minute."""
    own = {"instance": str(tmp_path / "instance"), "secret_key": "the same for both"}
    before = new_server(**own).start()
    assert ApiClient(before.url, jobix)("/set", {"1": {}, "2": {}}).status_code == 200
    before.stop()
    return new_server(open="0", wrong_secrets_per_minute="3", **own).start()
