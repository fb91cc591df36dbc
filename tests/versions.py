"""Runs unit and protocol tests on SQLite under the oldest and the newest other Python of this machine.

python -m tests.versions
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

SUPPORTED = range(10, 15)  # Python 3.10 to 3.14
ENVIRONMENTS = ROOT / ".venv" / "versions"
TESTS = ("tests/unit", "tests/protocol", "-k", "not postgresql")


def main() -> int:
    """Returns 1 if a test fails under one of the versions."""
    interpreters = {
        minor: path for minor in SUPPORTED if minor != sys.version_info.minor and (path := interpreter(minor))
    }
    versions = sorted({min(interpreters), max(interpreters)}) if interpreters else []
    print(f"Python versions to test: {', '.join(f'3.{minor}' for minor in versions) or 'no other one is installed'}.")
    return max((test(minor, interpreters[minor]) for minor in versions), default=0)


def interpreter(minor: int) -> str | None:
    """Returns an interpreter of Python 3.`minor`, from PATH or pyenv, that can make environments."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
    for path in (shutil.which(f"python3.{minor}"), *pyenv):
        if path is not None:
            command = [path, "-c", "import ensurepip, sys; print(sys.version_info.minor)"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.stdout.strip() == str(minor):
                return str(path)
    return None


def test(minor: int, python: str) -> int:
    """Installs what the tests need and runs them: 0 if all pass."""
    folder = ENVIRONMENTS / f"3.{minor}"
    own = str(folder / "bin" / "python")
    pip = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    print(f"Python 3.{minor}:", flush=True)
    for command in (
        [python, "-m", "venv", str(folder)],
        [*pip, "-r", "requirements-dev.lock"],
        [*pip, "--no-deps", "--editable", "."],
        [own, "-m", "pytest", "-n", "2", *TESTS],
    ):
        if subprocess.run(command, cwd=ROOT).returncode:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
