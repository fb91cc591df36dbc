"""A SQLite file on a network file system is refused, however its path is written; local files are accepted."""

import os
from pathlib import Path

import pytest

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.store.location import NETWORK_FILESYSTEMS, refuse_unfit


def is_accepted(file: str, **mounts: str) -> bool:
    """Whether a server with these mounts accepts the file."""
    message = ""
    try:
        refuse_unfit(Settings(instance="/nowhere", database_uri=f"sqlite:///{file}"), lambda: mounts)
    except CannotStart as refusal:
        message = str(refusal)
    assert not message or "JOBSERVER_ALLOW_NETWORK_FILESYSTEM=1" in message
    return not message


@pytest.mark.parametrize("kind", sorted(NETWORK_FILESYSTEMS))
def test_each_kind_of_network_file_system_is_known(kind: str) -> None:
    assert not is_accepted("/data/jobs.sqlite", **{"/": "ext4", "/data": kind})


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.fuse-overlayfs", "apfs"])
def test_local_file_systems_are_accepted(kind: str) -> None:
    assert is_accepted("/data/jobs.sqlite", **{"/": "nfs4", "/data": kind})


def test_the_nearest_mount_decides() -> None:
    mounts = {"/": "nfs4", "/home": "ext4", "/home/me": "lustre", "/home/me/scratch": "xfs"}
    assert not is_accepted("/jobs.sqlite", **mounts)
    assert is_accepted("/home/jobs.sqlite", **mounts)
    assert is_accepted("/home/menu/jobs.sqlite", **mounts)  # begins like /home/me
    assert not is_accepted("/home/me/jobs.sqlite", **mounts)
    assert not is_accepted("/home/me/new/folder/jobs.sqlite?timeout=5", **mounts)
    assert is_accepted("/home/me/scratch/jobs.sqlite", **mounts)


def test_links_parents_and_relative_names_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = {"/": "ext4", str(tmp_path / "nfs"): "nfs4"}
    (tmp_path / "nfs").mkdir()
    (tmp_path / "local").symlink_to(tmp_path / "nfs")
    assert not is_accepted(f"{tmp_path}/local/jobs.sqlite", **mounts)
    assert not is_accepted(f"{tmp_path}/other/../nfs/jobs.sqlite", **mounts)
    monkeypatch.chdir(tmp_path / "nfs")
    assert not is_accepted("jobs.sqlite", **mounts)
    os.symlink(tmp_path / "nfs" / "jobs.sqlite", tmp_path / "jobs.sqlite")
    assert not is_accepted(f"{tmp_path}/jobs.sqlite", **mounts)


def test_postgresql_and_the_override_skip_the_check() -> None:
    mounts = {"/": "nfs4"}
    refuse_unfit(Settings(instance="/x", database_uri="postgresql://host/jobs"), lambda: mounts)
    refuse_unfit(Settings(instance="/x", allow_network_filesystem=True), lambda: mounts)
    with pytest.raises(CannotStart, match="nfs4"):
        refuse_unfit(Settings(instance="/x"), lambda: mounts)
