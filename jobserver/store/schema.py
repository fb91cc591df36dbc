"""The database's tables: made in a new one, compared with the code's in an old one."""

import hashlib
import hmac
import time
from types import TracebackType

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from jobserver.core.errors import CannotStart
from jobserver.core.resources import resource
from jobserver.core.settings import Settings
from jobserver.store.connection import DRIVER_ERRORS
from jobserver.store.database import engine_options
from jobserver.store.location import database_uri, sqlite_file

UPGRADE = "python -m jobserver db upgrade"
LOCK = 5_704_260  # PostgreSQL's advisory lock while the tables are made


def prepare(settings: Settings, secret_key: str, upgrade: bool = False) -> str:
    """Makes the tables of an empty database, and sees that those of another are this code's: the revision they have.

    upgrade: bring older ones up to date. CannotStart where they are older, newer, or not ours, and where the database
    belongs to another secret key.
    """
    try:
        with _Transaction(settings) as connection:
            return _prepared(connection, secret_key, upgrade)
    except (DBAPIError, *DRIVER_ERRORS) as error:
        raise _cannot_open(settings, getattr(error, "orig", error)) from error


def revision(settings: Settings) -> tuple[str | None, str]:
    """The revision that the database has, None for an empty one, and the one that the code needs."""
    try:
        with _Transaction(settings) as connection:
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
    kept = connection.execute(text("SELECT value FROM fact WHERE name = 'secret_key'")).scalar()
    if kept is None:
        connection.execute(text("INSERT INTO fact (name, value) VALUES ('secret_key', :mark)"), {"mark": mark})
    elif not hmac.compare_digest(kept, mark):
        raise CannotStart(
            "JOBSERVER_SECRET_KEY is not the one that this database was made with, so no jobix would be known."
            " Set that one (a server that made its own keeps it in secret_key in its instance folder)."
        )


def _cannot_open(settings: Settings, why: object) -> CannotStart:
    variable = "JOBSERVER_DATABASE_URI" if settings.database_uri else "JOBSERVER_INSTANCE"
    shown = " ".join(str(why).split())[:300].rstrip(".")
    return CannotStart(f"The database of {variable} can't be opened: {shown}.")


class _Transaction:
    """One connection in one transaction that nobody else writes in: a kill leaves all of its work, or none."""

    def __init__(self, settings: Settings) -> None:
        file = sqlite_file(settings)
        self._sqlite = file is not None
        if file is not None:
            folder = file.parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _cannot_open(settings, f"{folder}: {error.strerror}") from error
        try:
            self._engine = create_engine(database_uri(settings), **engine_options(settings))
        except (ValueError, ArgumentError) as error:
            raise _cannot_open(settings, "this is not a database's URI") from error
        if self._sqlite:
            # as it comes, sqlite3 would end the transaction where it likes
            event.listen(self._engine, "connect", lambda driver, _record: setattr(driver, "isolation_level", None))
            event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    def __enter__(self) -> Connection:
        if self._sqlite:
            self._write_ahead_log()
        self._context = self._engine.begin()
        connection = self._context.__enter__()
        if not self._sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        return connection

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._context.__exit__(kind, value, at)

    def _write_ahead_log(self) -> None:
        """Readers beside the one writer. Another server that starts at this moment may hold the file for an instant."""
        for wait_s in (0.05, 0.1, 0.2, 0.4, 0.8, None):
            driver = self._engine.raw_connection()
            try:
                driver.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except Exception as error:
                if wait_s is None or "locked" not in str(error):
                    why = str(error)
                    raise CannotStart(
                        f"The database file {self._engine.url.database} can't be opened: {why}."
                    ) from error
                time.sleep(wait_s)
            finally:
                driver.close()


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
