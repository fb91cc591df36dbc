"""Copies of the server, with a fault patched in."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.paths import ROOT

PATCHES = Path(__file__).with_name("sabotage")
SERVER = ("app.py", "jobserver", "templates", "static", "migrations")


def copy(folder: Path, patch: str | None) -> Path:
    """A copy of the server in that folder, with one of the patches in sabotage/, or as it is."""
    folder.mkdir()
    for name in SERVER:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_modules"))
        else:
            shutil.copy(ROOT / name, folder)
    if patch is not None:
        nowhere = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}  # the folder may lie in a repository
        subprocess.run(["git", "apply", str(PATCHES / f"{patch}.patch")], cwd=folder, check=True, env=nowhere)
    return folder
