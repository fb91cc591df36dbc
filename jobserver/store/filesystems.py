"""Checks that the file system of an SQLite database is safe for its data."""

import os
import sqlite3
from collections.abc import Callable

import psutil

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.store.location import sqlite_file

NETWORK_FILESYSTEMS = {
    "nfs", "nfs4", "lustre", "gpfs", "cifs", "smb3", "smbfs", "beegfs", "ceph", "fuse.ceph", "glusterfs",
    "fuse.glusterfs", "fuse.sshfs", "afs", "pvfs2", "orangefs", "panfs", "ocfs2", "9p", "wekafs",
}  # fmt: skip
OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING


def refuse_missing(settings: Settings) -> None:
    """Raises CannotStart if the database does not exist: a command must not create an empty one."""
    file = sqlite_file(settings)
    if file is not None and not file.exists():
        raise CannotStart(
            f"There is no database at {file}. Are JOBSERVER_INSTANCE and JOBSERVER_DATABASE_URI those of the server?"
        )


def refuse_unfit(settings: Settings, mounts: Callable[[], dict[str, str]] | None = None) -> None:
    """Raises CannotStart if SQLite is too old, or if its file is not writable or is on a network file system, which
    would corrupt it."""
    file = sqlite_file(settings)
    if file is None:
        return
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise CannotStart(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer, or PostgreSQL, is needed.")
    if file.exists() and not os.access(file, os.W_OK):
        raise CannotStart(f"The database {file} cannot be written by this user.")
    path = str(file.resolve())  # without links, absolute
    kind = _filesystem(path, (mounts or _mounts)())
    if kind in NETWORK_FILESYSTEMS and not settings.allow_network_filesystem:
        raise CannotStart(
            f"{path} is on a network file system ({kind}), where SQLite loses data. Set JOBSERVER_INSTANCE"
            " to a local folder, use PostgreSQL, or set JOBSERVER_ALLOW_NETWORK_FILESYSTEM=1 and take the risk."
        )


def _mounts() -> dict[str, str]:
    return {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}


def _filesystem(path: str, mounts: dict[str, str]) -> str:
    inside = [mount for mount in mounts if (path + "/").startswith(mount.rstrip("/") + "/")]
    return mounts[max(inside, key=len)].lower() if inside else ""
