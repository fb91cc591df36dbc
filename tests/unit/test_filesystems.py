"""SQLite's file on a network file system is refused however its place is written; local ones never are."""

import os
from pathlib import Path

import pytest

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.store.filesystems import NETWORK_FILESYSTEMS, refuse_unfit


def lies_well(file: str, **mounts: str) -> bool:
    """Whether a server starts with that file where these are mounted."""
    said = ""
    try:
        refuse_unfit(Settings(instance="/nowhere", database_uri=f"sqlite:///{file}"), lambda: mounts)
    except CannotStart as refusal:
        said = str(refusal)
    assert not said or "JOBSERVER_ALLOW_NETWORK_FILESYSTEM=1" in said
    return not said


@pytest.mark.parametrize("kind", sorted(NETWORK_FILESYSTEMS))
def test_each_kind_of_network_file_system_is_known(kind: str) -> None:
    assert not lies_well("/data/jobs.sqlite", **{"/": "ext4", "/data": kind})


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.fuse-overlayfs", "apfs"])
def test_local_ones_are_taken(kind: str) -> None:
    assert lies_well("/data/jobs.sqlite", **{"/": "nfs4", "/data": kind})


def test_the_nearest_mount_decides() -> None:
    mounts = {"/": "nfs4", "/home": "ext4", "/home/me": "lustre", "/home/me/scratch": "xfs"}
    assert not lies_well("/jobs.sqlite", **mounts)
    assert lies_well("/home/jobs.sqlite", **mounts)
    assert lies_well("/home/menu/jobs.sqlite", **mounts)  # begins like /home/me
    assert not lies_well("/home/me/jobs.sqlite", **mounts)
    assert not lies_well("/home/me/new/folder/jobs.sqlite?timeout=5", **mounts)
    assert lies_well("/home/me/scratch/jobs.sqlite", **mounts)


def test_a_way_around_over_a_link_a_parent_or_a_relative_name_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = {"/": "ext4", str(tmp_path / "nfs"): "nfs4"}
    (tmp_path / "nfs").mkdir()
    (tmp_path / "local").symlink_to(tmp_path / "nfs")
    assert not lies_well(f"{tmp_path}/local/jobs.sqlite", **mounts)
    assert not lies_well(f"{tmp_path}/other/../nfs/jobs.sqlite", **mounts)
    monkeypatch.chdir(tmp_path / "nfs")
    assert not lies_well("jobs.sqlite", **mounts)
    os.symlink(tmp_path / "nfs" / "jobs.sqlite", tmp_path / "jobs.sqlite")
    assert not lies_well(f"{tmp_path}/jobs.sqlite", **mounts)


def test_postgresql_and_whoever_takes_the_risk_are_not_asked() -> None:
    mounts = {"/": "nfs4"}
    refuse_unfit(Settings(instance="/x", database_uri="postgresql://host/jobs"), lambda: mounts)
    refuse_unfit(Settings(instance="/x", allow_network_filesystem=True), lambda: mounts)
    with pytest.raises(CannotStart, match="nfs4"):
        refuse_unfit(Settings(instance="/x"), lambda: mounts)
