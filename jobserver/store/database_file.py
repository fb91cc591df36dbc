"""The file of an SQLite database: made for its owner alone, locked while servers run, and watched while they do."""

import fcntl
import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from jobserver.core.errors import CannotStart, DatabaseLost
from jobserver.core.settings import Settings
from jobserver.store.location import sqlite_file

OWNER_ONLY = 0o600
FOLDER_MODE = 0o700
SUFFIXES = ("", "-wal", "-shm", "-sweeper", "-lock")
CHECK_EVERY_S = 1.0
SHARE_WITHIN_S = 5.0
log = logging.getLogger("jobserver")


def make_file(settings: Settings, secret_key_file: Path) -> None:
    """Makes a missing database file, readable by its owner alone; CannotStart beside the key of an earlier database."""
    file = sqlite_file(settings)
    if file is None:
        return
    if not file.exists() and secret_key_file.exists():
        raise CannotStart(
            f"The database {file} is missing, but {secret_key_file} shows that there was one. Put the file back, or"
            " restore a backup: jobserver restore FILE. To begin with an empty database: jobserver db create."
        )
    create_file(file)


def create_file(file: Path) -> None:
    """Makes a missing database file, and tightens the permissions of an existing one."""
    try:
        file.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY))
    except OSError:
        return  # SQLite says the same, with the name of the setting
    for suffix in SUFFIXES:
        part = file.with_name(file.name + suffix)
        try:
            mode = part.stat().st_mode & 0o777
            if mode & ~OWNER_ONLY:
                part.chmod(OWNER_ONLY)
                log.debug("%s could be read by others (mode %o); it is %o now", part, mode, OWNER_ONLY)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("%s can be read by others, and its mode cannot be changed: %s", part, error.strerror)


class ServerLock:
    """A lock that all processes which serve a database share; `restore` needs it alone. It ends with its process."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file.with_name(f"{file.name}-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)

    def alone(self) -> bool:
        """Takes the lock if no other process has it."""
        return self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def share(self) -> bool:
        """Takes the lock together with other processes."""
        return self._lock(fcntl.LOCK_SH | fcntl.LOCK_NB)

    def _lock(self, how: int) -> bool:
        try:
            fcntl.flock(self._handle, how)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks
            log.warning("the database cannot be locked: %s", error.strerror)
        return True

    def close(self) -> None:
        """Releases the lock."""
        os.close(self._handle)


def open_for_service(settings: Settings) -> ServerLock | None:
    """Shares the lock of a server, for as long as the process runs; None for PostgreSQL.

    CannotStart while a backup is restored, and where a write-ahead log is left that does not fit the file.
    """
    file = sqlite_file(settings)
    if file is None or not file.name or not file.parent.is_dir():
        return None
    try:
        lock = ServerLock(file)
    except OSError:
        return None  # SQLite will say why
    if lock.alone():
        _check_left_log(file)
    give_up = time.monotonic() + SHARE_WITHIN_S
    while not lock.share():  # a server that starts at the same moment has it alone for an instant
        if time.monotonic() < give_up:
            time.sleep(0.05)
            continue
        raise CannotStart(f"A backup is being restored to {file}. Start again when that is done.")
    return lock


def _check_left_log(file: Path) -> None:
    """A write-ahead log that no process uses was left by a crash, or by somebody who replaced the database file."""
    left = file.with_name(f"{file.name}-wal")
    if not left.exists() or left.stat().st_size == 0 or not file.exists():
        return
    problem = damage(file, "quick_check")
    if problem:
        raise CannotStart(
            f"The database {file} is damaged together with {left} ({problem}). If the file was replaced by a backup,"
            " restore that with: jobserver restore FILE. Nothing was changed."
        )


def damage(file: Path, check: str = "integrity_check") -> str | None:
    """Returns what is damaged in a database file; None if nothing is. `quick_check` does not compare the indexes."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else " ".join(str(found).split())[:200]


class FileWatch:
    """Notices that a database file was deleted or replaced under the running server, which then writes to nowhere."""

    def __init__(self, settings: Settings) -> None:
        self._file = sqlite_file(settings)
        self._first = self._identity()
        self.due = 0.0  # when the next look is due, by time.monotonic()
        self.lost = False

    def check(self) -> None:
        """Looks at most once a second; DatabaseLost while the file is another one, or none."""
        now = time.monotonic()
        if now >= self.due:
            self.due = now + CHECK_EVERY_S
            lost = self._identity() != self._first
            if lost and not self.lost:
                log.error("the database file %s was deleted or replaced: every request gets 503", self._file)
            elif self.lost and not lost:
                log.warning("the database file %s is back", self._file)
            self.lost = lost
        if self.lost:
            raise DatabaseLost(
                "The server's database file was deleted or replaced. Whoever runs the server puts it back, or stops the"
                " server and restores a backup."
            )

    def _identity(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            found = os.stat(self._file)
        except OSError:
            return None
        return found.st_dev, found.st_ino
