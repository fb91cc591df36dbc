"""Empty databases of both kinds."""

from pathlib import Path

import pytest

from jobserver.core.settings import Settings
from tests.support.postgresql import make_postgresql_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_uri(request: pytest.FixtureRequest) -> str:
    """An empty database. On SQLite its folder does not exist either."""
    return "" if request.param == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def settings(database_uri: str, tmp_path: Path) -> Settings:
    """Settings for this database."""
    return Settings(instance=str(tmp_path / "new" / "instance"), database_uri=database_uri)
