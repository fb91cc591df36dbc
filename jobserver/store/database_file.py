"""The file of an SQLite database: creates it with owner-only permissions, and locks it for servers."""

import fcntl
import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.store.location import exists, sqlite_file

OWNER_ONLY = 0o600
FOLDER_MODE = 0o700
SUFFIXES = ("", "-wal", "-shm", "-sweeper", "-lock")
SHARE_WITHIN_S = 120.0  # another server may check a large file after a crash
log = logging.getLogger("jobserver")


def make_file(settings: Settings, secret_key_file: Path) -> None:
    """Creates a missing database file, readable by its owner only; CannotStart if a server has used it before."""
    file = sqlite_file(settings)
    if file is None:
        return
    left = next((path for path in (secret_key_file, lock_file(file)) if exists(path)), None)
    if not exists(file) and left is not None:
        if not exists(file.parent):
            raise CannotStart(
                f"The folder {file.parent} of JOBSERVER_DATABASE_URI does not exist, but {left} shows that a server has"
                " run here. Correct the path, or create the folder and run: jobserver db create."
            )
        raise CannotStart(
            f"The database {file} is missing, but {left} shows that it existed before. Put the file back, or restore a"
            " backup: jobserver restore FILE. To start with an empty database: jobserver db create."
        )
    create_file(file)


def create_file(file: Path) -> None:
    """Creates a missing database file; restricts the permissions of an existing one."""
    try:
        file.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY))
    except OSError:
        return  # SQLite reports the same error, with the name of the setting
    for suffix in SUFFIXES:
        part = file.with_name(file.name + suffix)
        try:
            mode = part.stat().st_mode & 0o777
            if mode & ~OWNER_ONLY:
                part.chmod(OWNER_ONLY)
                log.debug("%s was readable by other users (mode %o); its mode is %o now", part, mode, OWNER_ONLY)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("%s is readable by other users, and its mode cannot be changed: %s", part, error.strerror)


def lock_file(file: Path) -> Path:
    """Returns the path of the lock file, which stays after the first start of a server."""
    return file.with_name(f"{file.name}-lock")


class ServerLock:
    """A file lock: shared by the servers of a database, exclusive for `restore`. Released when the process ends."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(lock_file(file), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)

    def alone(self) -> bool:
        """Acquires the exclusive lock if no other process has the lock."""
        return self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def share(self) -> bool:
        """Acquires the shared lock."""
        return self._lock(fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _lock(self, operation: int) -> bool:
        try:
            fcntl.flock(self._handle, operation)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks
            log.warning("the database cannot be locked: %s", error.strerror)
        return True

    def close(self) -> None:
        """Releases the lock."""
        os.close(self._handle)


def open_for_service(settings: Settings) -> ServerLock | None:
    """Acquires the shared lock of a server until the process ends; None for PostgreSQL.

    CannotStart while a backup is being restored, and if a leftover write-ahead log does not belong to the file.
    """
    file = sqlite_file(settings)
    if file is None or not file.name or not file.parent.is_dir():
        return None
    try:
        lock = ServerLock(file)
    except OSError:
        return None  # SQLite reports the reason
    if lock.alone():
        _check_left_log(file)
    give_up = time.monotonic() + SHARE_WITHIN_S
    while not lock.share():  # another starting server may hold the exclusive lock briefly
        if time.monotonic() < give_up:
            time.sleep(0.05)
            continue
        raise CannotStart(f"Another process checks or restores the database {file}. Start again when it is done.")
    return lock


def _check_left_log(file: Path) -> None:
    """Raises CannotStart if a leftover write-ahead log, of a crash or of a replaced file, damages the database."""
    left = file.with_name(f"{file.name}-wal")
    if not left.exists() or left.stat().st_size == 0 or not file.exists():
        return
    problem = damage(file, "quick_check")
    if problem:
        raise CannotStart(
            f"The database {file} is damaged together with {left} ({problem}). If the file was replaced by a backup,"
            " restore the backup with: jobserver restore FILE. Nothing was changed."
        )


def damage(file: Path, check: str = "integrity_check") -> str | None:
    """Returns the first damage of a database file; None if it is intact. `quick_check` does not compare the indexes."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (result,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if result == "ok" else " ".join(str(result).split())[:200]
