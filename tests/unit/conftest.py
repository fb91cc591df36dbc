"""Fixtures of unit tests."""

import pytest

from tests.support.postgresql import make_postgresql_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_uri(request: pytest.FixtureRequest) -> str:
    """The URI of a new database; '' for SQLite's default file."""
    own = request.param == "postgresql"
    return make_postgresql_database(request.getfixturevalue("postgresql")) if own else ""
