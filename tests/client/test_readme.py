"""The commands of README.md, run word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, ApiClient, Server

BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()


def shell(command: str, server: Server, home: Path) -> str:
    """Runs shell commands with the programs of this environment; stops at the first error. Returns the output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
    environment.pop("XDG_CONFIG_HOME", None)
    environment |= {"HOME": str(home), "JOBSERVER_URL": server.url}
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", command.replace("http://127.0.0.1:5000", server.url)],
        cwd=home, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def section(title: str) -> list[str]:
    """The shell commands below a heading."""
    text = re.search(rf"^## {title}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert text, f"README.md has no section {title}"
    return re.findall(r"```sh\n(.*?)```", text[1], re.DOTALL)


@pytest.mark.skipif(not (BIN / "jm").exists(), reason="jm is not installed: make setup-dev installs it")
def test_the_first_jobs_run_as_written(server: Server, tmp_path: Path) -> None:
    serve, jobs = section("First jobs in a minute")
    assert serve == "jobserver serve\n"
    output = shell(jobs, server, tmp_path)
    assert len(re.findall(r"^[0-9a-f]{64}  input\d\.txt$", output, re.MULTILINE)) == 5
    secret = int((tmp_path / "first-jobs" / "secret").read_text())
    assert ApiClient(server.url, secret)("/get").json()["done"] == 5


def test_the_two_jobs_of_the_plain_worker_are_added_as_written(server: Server, tmp_path: Path) -> None:
    (commands,) = section("A worker in ten lines")
    assert '"new":2' in shell(commands, server, tmp_path).replace(" ", "")
