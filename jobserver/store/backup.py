"""Backs up and restores an SQLite database. PostgreSQL has pg_dump and pg_restore."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.store import schema
from jobserver.store.database_file import OWNER_ONLY, ServerLock, create_file, damage
from jobserver.store.location import exists, refuse_missing, refuse_unfit, sqlite_file


def back_up(settings: Settings, target: Path) -> None:
    """Copies the database to a new file, also while a server runs. Raises CannotStart with the reason on failure."""
    source = _sqlite(settings, "pg_dump")
    refuse_missing(settings)
    if exists(target):
        raise CannotStart(f"{target} exists already. Name a new file.")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        with closing(sqlite3.connect(source, timeout=settings.busy_timeout_s)) as connection:
            connection.execute("VACUUM INTO ?", [str(unfinished)])  # one read transaction, so that it ends under load
        if problem := damage(unfinished):
            raise CannotStart(f"The copy is damaged ({problem}). Check the database: jobserver db check.")
        _flush(unfinished)
        unfinished.rename(target)
        _flush(target.parent)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CannotStart(f"The backup {target} cannot be written: {reason}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def restore(settings: Settings, source: Path, secret_key: str) -> Path | None:
    """Checks a backup and replaces the database by it; returns the path of the old database.

    CannotStart while a server runs, and if the backup is damaged, of another program, or of another secret key.
    """
    file = _sqlite(settings, "pg_restore")
    refuse_unfit(settings)
    if not source.is_file():
        raise CannotStart(f"There is no file {source}.")
    created = not exists(file)
    if created:
        file.parent.mkdir(0o700, parents=True, exist_ok=True)
    lock = ServerLock(file)
    try:
        if not lock.alone():
            raise CannotStart("A server is running on this database. Stop it, then restore.")
        return _replace(settings, source, file, secret_key)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CannotStart(f"{source} cannot be restored: {reason}. Nothing was changed.") from error
    finally:
        lock.close()


def _replace(settings: Settings, source: Path, file: Path, secret_key: str) -> Path | None:
    copy = file.with_name(f"{file.name}.restoring")
    try:
        _remove(copy)
        create_file(copy)
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
        if problem := damage(copy):
            raise CannotStart(f"{source} is damaged: {problem}. Nothing was changed.")
        on_copy = msgspec.structs.replace(settings, database_uri=f"sqlite:///{copy}")
        if schema.revision(on_copy)[0] is None:
            raise CannotStart(f"{source} is not a backup of a job_manager database. Nothing was changed.")
        schema.prepare(on_copy, secret_key, upgrade=True)
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode = DELETE")  # removes the log of the copy
        _flush(copy)
        old_file = _set_aside(file)
        copy.rename(file)
        _flush(file.parent)
        return old_file
    finally:
        _remove(copy)


def _set_aside(file: Path) -> Path | None:
    """Renames the old database and its log."""
    old_file = None
    for suffix in ("", "-wal"):  # a kill in between leaves no database, which a start refuses
        part = file.with_name(file.name + suffix)
        if part.exists():
            old_file = file.with_name(f"{file.name}.before-{time.strftime('%Y%m%d-%H%M%S')}{suffix}")
            part.rename(old_file)
    file.with_name(f"{file.name}-shm").unlink(missing_ok=True)
    return old_file


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sqlite(settings: Settings, program: str) -> Path:
    file = sqlite_file(settings)
    if file is None:
        raise CannotStart(f"The database is PostgreSQL: use its program {program}, and keep the secret key with it.")
    return file
