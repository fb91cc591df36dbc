"""The secret key of the stored hashes: created once, atomically, readable by its user only."""

import os
import stat
from pathlib import Path

import pytest

from jobserver.core.settings import Settings
from jobserver.server.settings import secret_key


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without a key, in a folder that does not exist yet."""
    return Settings(instance=str(tmp_path / "new" / "instance"))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_secret_key_is_made_once_with_mode_600(settings: Settings, umask: int) -> None:
    before = os.umask(umask)
    try:
        key = secret_key(settings)
    finally:
        os.umask(before)
    key_file = settings.instance_path / "secret_key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert secret_key(settings) == key == key_file.read_text().strip()
    assert len(key) == 64
    assert os.listdir(settings.instance_path) == ["secret_key"]


def test_no_two_servers_make_the_same_key(settings: Settings, tmp_path: Path) -> None:
    assert secret_key(settings) != secret_key(Settings(instance=str(tmp_path / "other")))


def test_a_key_from_the_settings_is_not_written_to_a_file(tmp_path: Path) -> None:
    assert secret_key(Settings(instance=str(tmp_path / "instance"), secret_key="given")) == "given"
    assert os.listdir(tmp_path) == []


def test_a_kill_while_creating_the_key_does_not_prevent_a_start(settings: Settings) -> None:
    """In a container every start has the same process id."""
    settings.instance_path.mkdir(parents=True)
    (settings.instance_path / f"secret_key.{os.getpid()}").write_text("half")
    assert len(secret_key(settings)) == 64
