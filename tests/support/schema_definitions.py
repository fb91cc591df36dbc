"""The content of a database and the definitions of its tables."""

from sqlalchemy import create_engine, inspect, text

from jobserver.core.settings import Settings
from jobserver.store.location import database_uri
from jobserver.store.models import Job
from tests.support.server import Server
from tests.support.snapshot import opened

TABLES = {"alembic_version", *Job.metadata.tables}
KEY = "the key of the database"


def contents(server: Server) -> dict[str, list[str]]:
    """Every row of every table."""
    with opened(server) as database:
        return database.tables()


def definitions(settings: Settings) -> dict[str, object]:
    """The definitions of tables and indexes as the database returns them."""
    sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    if not database_uri(settings).startswith("sqlite"):
        sql = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    engine = create_engine(database_uri(settings))
    with engine.begin() as connection:
        inspector = inspect(connection)
        tables = sorted(set(inspector.get_table_names()) - {"alembic_version"})
        definitions_of_tables = {
            table: (
                {
                    item["name"]: (str(item["type"]), item["nullable"], item["default"])
                    for item in inspector.get_columns(table)
                },
                inspector.get_pk_constraint(table)["constrained_columns"],
                sorted(
                    (item["constrained_columns"], item["referred_table"]) for item in inspector.get_foreign_keys(table)
                ),
                sorted(item["column_names"] for item in inspector.get_unique_constraints(table)),
            )
            for table in tables
        }
        indexes = {row[0]: row[1] for row in connection.execute(text(sql)) if "alembic" not in row[0]}
    engine.dispose()
    return definitions_of_tables | {"indexes": indexes}
