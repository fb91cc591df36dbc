"""Creates the tables of an empty database, and checks or upgrades the tables of an existing one."""

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
from jobserver.store.location import database_uri, exists, sqlite_file

UPGRADE = "python -m jobserver db upgrade"


def prepare(settings: Settings, secret_key: str, upgrade: bool = False) -> str:
    """Creates the tables of an empty database, or checks the revision of existing ones; returns the revision.

    upgrade: upgrade older tables. CannotStart if the tables are older, newer, or of another program, and if the
    database belongs to another secret key.
    """
    try:
        with _transaction(settings) as connection:
            head = _prepared(connection, upgrade)
            _check_key(connection, secret_key, settings)
            return head
    except (DBAPIError, *DRIVER_ERRORS) as error:
        raise _cannot_open(settings, getattr(error, "orig", error)) from error


def revision(settings: Settings) -> tuple[str | None, str]:
    """Returns the revision of the database (None: empty) and the revision that the code needs."""
    try:
        with _transaction(settings) as connection:
            return _current(connection), _head()
    except (DBAPIError, *DRIVER_ERRORS) as error:
        raise _cannot_open(settings, getattr(error, "orig", error)) from error


def has_key(settings: Settings) -> bool:
    """Returns whether the database already belongs to a secret key."""
    file = sqlite_file(settings)
    if file is not None and not exists(file):
        return False
    try:
        with _transaction(settings) as connection:
            return "metadata" in inspect(connection).get_table_names() and _stored_key(connection) is not None
    except (DBAPIError, *DRIVER_ERRORS) as error:
        raise _cannot_open(settings, getattr(error, "orig", error)) from error


def _prepared(connection: Connection, upgrade: bool) -> str:
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
    return head


def _stored_key(connection: Connection) -> str | None:
    stored: str | None = connection.execute(text("SELECT value FROM metadata WHERE name = 'secret_key'")).scalar()
    return stored


def _check_key(connection: Connection, secret_key: str, settings: Settings) -> None:
    """Raises CannotStart for another key than that of the stored hashes: no list would be found with it."""
    check_value = hmac.digest(hashlib.sha256(secret_key.encode()).digest(), b"job_manager database", "sha256").hex()
    stored = _stored_key(connection)
    if stored is None:
        connection.execute(
            text("INSERT INTO metadata (name, value) VALUES ('secret_key', :check_value)"), {"check_value": check_value}
        )
    elif not hmac.compare_digest(stored, check_value):
        source = "JOBSERVER_SECRET_KEY" if settings.secret_key else f"The key in {settings.instance_path}/secret_key"
        raise CannotStart(
            f"{source} is not the key of this database, so no jobix would be accepted. Put the key of this database"
            " there: it belongs to the backup."
        )


def _cannot_open(settings: Settings, why: object) -> CannotStart:
    variable = "JOBSERVER_DATABASE_URI" if settings.database_uri else "JOBSERVER_INSTANCE"
    reason = " ".join(str(why).split())[:300].rstrip(".?")
    return CannotStart(f"The database of {variable} cannot be opened: {reason}.")


@contextmanager
def _transaction(settings: Settings) -> Iterator[Connection]:
    """Opens one connection with one transaction that excludes other writers: all of its work is stored, or none."""
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
