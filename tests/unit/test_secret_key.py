"""The key that keys every stored hash: made once, whole, and for its user's eyes only."""

import os
import stat
from pathlib import Path

import pytest

from jobserver.core.settings import Settings
from jobserver.server.secret_key import secret_key


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that name no key; their folder isn't there yet."""
    return Settings(instance=str(tmp_path / "new" / "instance"))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_secret_key_is_made_once_with_mode_600(settings: Settings, umask: int) -> None:
    before = os.umask(umask)
    try:
        key = secret_key(settings)
    finally:
        os.umask(before)
    kept = settings.instance_path / "secret_key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert secret_key(settings) == key == kept.read_text().strip()
    assert len(key) == 64
    assert os.listdir(settings.instance_path) == ["secret_key"]


def test_no_two_servers_make_the_same_key(settings: Settings, tmp_path: Path) -> None:
    assert secret_key(settings) != secret_key(Settings(instance=str(tmp_path / "other")))


def test_a_given_key_is_written_nowhere(tmp_path: Path) -> None:
    assert secret_key(Settings(instance=str(tmp_path / "instance"), secret_key="given")) == "given"
    assert os.listdir(tmp_path) == []


def test_a_server_that_was_killed_while_it_made_the_key_can_start_again(settings: Settings) -> None:
    """In a container every start has the same process id."""
    settings.instance_path.mkdir(parents=True)
    (settings.instance_path / f"secret_key.{os.getpid()}").write_text("half")
    assert len(secret_key(settings)) == 64
