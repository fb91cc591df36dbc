"""make setup repairs an incomplete environment, and reports the cause of a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.client.conftest import ROOT

NOBODY = 65534


@pytest.fixture
def folder():
    """A folder with the Makefile, which all users can enter."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        shutil.copy(ROOT / "Makefile", name)
        yield Path(name)


def make(folder: Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs `make .venv/made`, which makes a .venv with a working pip and no other packages."""
    command = ["make", ".venv/made", f"PYTHON={sys.executable}"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=100, **options)


def test_an_incomplete_venv_is_repaired_and_a_complete_one_is_kept(folder):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=folder, check=True)
    pip = next((folder / ".venv").glob("lib/python*/site-packages")) / "pip"
    pip.mkdir()  # only its first files, as after a kill
    (pip / "__init__.py").touch()
    ended = make(folder)
    assert (ended.returncode, ended.stdout) == (0, "setting up .venv …\n"), ended.stderr
    subprocess.run([folder / ".venv/bin/python", "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL)
    (folder / ".venv/made").unlink()
    (folder / ".venv/mine").touch()
    assert make(folder).stdout == ""
    assert (folder / ".venv/mine").exists()


def test_a_read_only_folder_is_named_as_the_cause(folder):
    (folder).chmod(0o555)
    ended = make(folder, user=NOBODY if os.geteuid() == 0 else None)
    assert ended.returncode != 0
    assert "this folder cannot be written" in ended.stdout
    assert "python3-venv" not in ended.stdout + ended.stderr
