"""The client on another machine: a copy of its folder, and missing libraries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipapp

import pytest

from deploy.build_jm_pyz import MAIN
from tests.client.conftest import ROOT


@pytest.fixture
def copied(tmp_path):
    """Copies only the folder `client/` to another place. Returns an environment that finds it."""
    shutil.copytree(ROOT / "client", tmp_path / "node" / "client", ignore=shutil.ignore_patterns("__pycache__"))
    return {"PYTHONPATH": str(tmp_path / "node")}


def python(copied, folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `python ARGUMENTS` in that environment."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=copied, capture_output=True, text=True, timeout=20
    )


def test_a_copy_of_the_folder_client_works(copied, tmp_path, url, jobix):
    ended = python(copied | {"JOBSERVER_JOBIX": str(jobix)}, tmp_path, "-m", "client", "init", "0", "10", "--url", url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "stage 1: 10 minutes" in ended.stdout


def test_a_missing_library_is_one_line_with_the_command_that_installs_it(copied, tmp_path):
    ended = python(copied, tmp_path, "-S", "-m", "client", "watch")  # -S: without the installed packages
    assert (ended.returncode, ended.stdout) == (2, "")
    message = f"error: a library is missing: {sys.executable} -m pip install requests rich shtab\n"
    assert ended.stderr == message


def test_an_import_needs_requests_but_not_rich(copied, tmp_path):
    ended = python(copied, tmp_path, "-S", "-c", "import client")
    assert "ModuleNotFoundError: a library is missing: " in ended.stderr
    code = "import sys; sys.modules['rich'] = None; import client; client.Worker"
    assert python(copied, tmp_path, "-c", code).returncode == 0


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 9, 18)])
def test_jm_pyz_reports_a_python_that_is_too_old_before_it_imports_anything(tmp_path, version):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "__main__.py").write_text(MAIN)  # without the client: an import of it would fail
    zipapp.create_archive(tmp_path / "files", tmp_path / "jm.pyz")
    code = f"import runpy, sys; sys.version_info = {version}; runpy.run_path('jm.pyz')"
    ended = python({}, tmp_path, "-c", code)
    name = ".".join(map(str, version))
    message = f"error: jm needs Python 3.10 or newer; this is {name}. Try: python3.11 jm.pyz\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", message)
