"""The models, on which queries rely, and the migrations define the same schema."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from jobserver.core.settings import Settings
from jobserver.store import models
from jobserver.store.extensions import db
from jobserver.store.location import database_uri
from jobserver.store.schema import prepare
from tests.support.postgresql import make_postgresql_database
from tests.support.schema_definitions import KEY, definitions


def by_models(settings: Settings, folder: Path, request: pytest.FixtureRequest) -> dict[str, object]:
    """The definitions of a database that the models alone created."""
    sqlite = database_uri(settings).startswith("sqlite")
    uri = f"sqlite:///{folder}/models" if sqlite else make_postgresql_database(request.getfixturevalue("postgresql"))
    other = Settings(instance=str(folder), database_uri=uri)
    engine = create_engine(database_uri(other))
    db.metadata.create_all(engine)
    engine.dispose()
    return definitions(other)


def test_migrations_and_models_define_the_same_schema(
    settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert models.Job.metadata is db.metadata
    prepare(settings, KEY)
    options = {
        "compare_type": True, "compare_server_default": True,
        # Alembic does not compare the conditions and directions of indexes; their definitions are compared below
        "include_object": lambda _one, _name, kind, _reflected, _other: kind != "index",
    }  # fmt: skip
    engine = create_engine(database_uri(settings))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), db.metadata) == []
    engine.dispose()
    assert definitions(settings) == by_models(settings, tmp_path, request)
