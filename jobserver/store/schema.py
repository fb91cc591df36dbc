"""The database's tables: made in a new one, compared with the code's in an old one."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from jobserver.core.errors import CannotStart
from jobserver.core.resources import resource
from jobserver.core.settings import Settings
from jobserver.store.connection import DRIVER_ERRORS
from jobserver.store.database import dialect_of, engine_options
from jobserver.store.location import database_uri, sqlite_file

UPGRADE = "python -m jobserver db upgrade"


def prepare(settings: Settings, secret_key: str, upgrade: bool = False) -> str:
    """Makes the tables of an empty database, and sees that those of another are this code's: the revision they have.

    upgrade: bring older ones up to date. CannotStart where they are older, newer, or not ours, and where the database
    belongs to another secret key.
    """
    try:
        with _transaction(settings) as connection:
            return _prepared(connection, secret_key, upgrade)
    except (DBAPIError, *DRIVER_ERRORS) as error:
        raise _cannot_open(settings, getattr(error, "orig", error)) from error


def revision(settings: Settings) -> tuple[str | None, str]:
    """The revision that the database has, None for an empty one, and the one that the code needs."""
    try:
        with _transaction(settings) as connection:
            return _current(connection), _head()
    except (DBAPIError, *DRIVER_ERRORS) as error:
        raise _cannot_open(settings, getattr(error, "orig", error)) from error


def _prepared(connection: Connection, secret_key: str, upgrade: bool) -> str:
    current, head = _current(connection), _head()
    if current is None:
        tables = set(inspect(connection).get_table_names())
        if tables:
            raise CannotStart(
                f"The database holds tables that are not job_manager's ({', '.join(sorted(tables)[:5])}); name another"
                " one in JOBSERVER_DATABASE_URI."
            )
        _upgrade(connection)
    elif current != head:
        if current not in {script.revision for script in _scripts().walk_revisions()}:
            raise CannotStart(f"The database is newer ({current}) than this server ({head}): update the server's code.")
        if not upgrade:
            raise CannotStart(
                f"The database is older ({current}) than this server ({head}). Back it up, then: {UPGRADE}"
            )
        _upgrade(connection)
    _check_key(connection, secret_key)
    return head


def _check_key(connection: Connection, secret_key: str) -> None:
    """The stored hashes are keyed: under another key every list would seem to be gone."""
    mark = hmac.digest(hashlib.sha256(secret_key.encode()).digest(), b"job_manager database", "sha256").hex()
    kept = connection.execute(text("SELECT value FROM metadata WHERE name = 'secret_key'")).scalar()
    if kept is None:
        connection.execute(text("INSERT INTO metadata (name, value) VALUES ('secret_key', :mark)"), {"mark": mark})
    elif not hmac.compare_digest(kept, mark):
        raise CannotStart(
            "JOBSERVER_SECRET_KEY is not the one that this database was made with, so no jobix would be known."
            " Set that one (a server that made its own keeps it in secret_key in its instance folder)."
        )


def _cannot_open(settings: Settings, why: object) -> CannotStart:
    variable = "JOBSERVER_DATABASE_URI" if settings.database_uri else "JOBSERVER_INSTANCE"
    shown = " ".join(str(why).split())[:300].rstrip(".")
    return CannotStart(f"The database of {variable} can't be opened: {shown}.")


@contextmanager
def _transaction(settings: Settings) -> Iterator[Connection]:
    """One connection in one transaction that excludes other writers: a kill leaves all of its work, or none."""
    file = sqlite_file(settings)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_open(settings, f"{file.parent}: {error.strerror}") from error
    try:
        engine = create_engine(database_uri(settings), **engine_options(settings))
    except (ValueError, ArgumentError) as error:
        raise _cannot_open(settings, "this is not a database's URI") from error
    dialect = dialect_of(engine, settings)
    dialect.prepare_schema()
    with engine.begin() as connection:
        dialect.lock_schema(connection)
        yield connection


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _head() -> str:
    head = _scripts().get_current_head()
    assert head is not None
    return head


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
