"""The location of the database: the URI of the settings, the path of an SQLite file, and checks of its file system."""

import os
from collections.abc import Callable
from pathlib import Path

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings

NETWORK_FILESYSTEMS = {
    "nfs", "nfs4", "lustre", "gpfs", "cifs", "smb3", "smbfs", "beegfs", "ceph", "fuse.ceph", "glusterfs",
    "fuse.glusterfs", "fuse.sshfs", "afs", "pvfs2", "orangefs", "panfs", "ocfs2", "9p", "wekafs",
}  # fmt: skip
OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING


def database_uri(settings: Settings) -> str:
    """Returns the database's URI, with psycopg 3 as PostgreSQL's driver and the default filled in."""
    if not settings.database_uri:
        return f"sqlite:///{settings.instance_path / 'jobs.sqlite'}"
    scheme, colon, rest = settings.database_uri.partition("://")
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
    if scheme == "sqlite" and not rest.startswith("//") and len(rest) > 1:
        rest = f"/{Path(rest[1:]).resolve()}"  # absolute: libraries resolve relative paths differently
    return scheme + colon + rest


def sqlite_file(settings: Settings) -> Path | None:
    """Returns the file of an SQLite database; None for PostgreSQL."""
    uri = database_uri(settings)
    return Path(uri.removeprefix("sqlite:///").split("?")[0]) if uri.startswith("sqlite") else None


def check_location(settings: Settings) -> None:
    """Raises CannotStart unless the URI names an SQLite file or a PostgreSQL database."""
    uri = database_uri(settings)
    if not uri.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise CannotStart(
            "JOBSERVER_DATABASE_URI is wrong: it must start with sqlite:/// or postgresql://, for example"
            " sqlite:////srv/jobs.sqlite."
        )
    if uri.startswith("sqlite:///") and uri.endswith("/") and uri != "sqlite:///":
        raise CannotStart("JOBSERVER_DATABASE_URI names a folder. Name a file in it.")
    if uri == "sqlite:///" or ":memory:" in uri:
        raise CannotStart(
            "JOBSERVER_DATABASE_URI names an SQLite database in memory, which would lose every job. Name a file."
        )


def describe(settings: Settings) -> str:
    """Returns a short description of the database, without a password, for the start message."""
    file = sqlite_file(settings)
    if file is None:
        return f"PostgreSQL {database_uri(settings).rpartition('/')[2].partition('?')[0]}"
    return f"SQLite {file}" + ("" if exists(file) else ", a new file")


def exists(file: Path) -> bool:
    """Returns whether the file exists. CannotStart if this user has no access to its folder."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _no_access(file, error.strerror or "no access") from error
    return True


def refuse_missing(settings: Settings) -> None:
    """Raises CannotStart if the database does not exist or cannot be read: a command must not create an empty one."""
    file = sqlite_file(settings)
    if file is None:
        return
    if not exists(file):
        raise CannotStart(
            f"There is no database at {file}. Are JOBSERVER_INSTANCE and JOBSERVER_DATABASE_URI those of the server?"
        )
    if not os.access(file, os.R_OK):
        raise _no_access(file, "Permission denied")


def _no_access(file: Path, reason: str) -> CannotStart:
    return CannotStart(f"{file} cannot be read: {reason}. Run this command as the user of the server.")


def refuse_unfit(settings: Settings, mounts: Callable[[], dict[str, str]] | None = None) -> None:
    """Raises CannotStart if SQLite is too old, or if its file is not writable or is on a network file system, which
    would corrupt it."""
    file = sqlite_file(settings)
    if file is None:
        return
    import sqlite3  # here: `jobserver --help` imports this module and needs no database

    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise CannotStart(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer, or PostgreSQL, is needed.")
    if exists(file) and not os.access(file, os.W_OK):
        raise CannotStart(f"The database {file} cannot be written by this user. Run this as the user of the server.")
    path = str(file.resolve())  # without links, absolute
    kind = _filesystem(path, (mounts or _mounts)())
    if kind in NETWORK_FILESYSTEMS and not settings.allow_network_filesystem:
        raise CannotStart(
            f"{path} is on a network file system ({kind}), where SQLite loses data. Set JOBSERVER_INSTANCE"
            " to a local folder, use PostgreSQL, or set JOBSERVER_ALLOW_NETWORK_FILESYSTEM=1 and take the risk."
        )


def _mounts() -> dict[str, str]:
    import psutil

    return {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}


def _filesystem(path: str, mounts: dict[str, str]) -> str:
    inside = [mount for mount in mounts if (path + "/").startswith(mount.rstrip("/") + "/")]
    return mounts[max(inside, key=len)].lower() if inside else ""
