"""What the tests of the client share: a client, a lossy proxy before the server, and the command line."""

from __future__ import annotations

import contextlib
import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from client import JobClient
from client.__main__ import main
from tests.client.lossy_proxy import LossyProxy
from tests.support.paths import ROOT
from tests.support.server import Server
from tests.support.waiting import until


def write_secret(path: Path, jobix: object) -> None:
    """Writes a file that only its owner can read, as `jm init` does."""
    path.write_text(str(jobix))
    path.chmod(0o600)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One server for all tests that don't stop it (those take `server`): a list of its own is enough for each."""
    one = Server(tmp_path_factory.mktemp("shared-server"))
    yield one.start()
    one.kill()


@pytest.fixture(scope="session")
def url(shared):
    """Where the shared server listens."""
    return shared.url


@pytest.fixture
def kept(shared, client):
    """What the database has of a job: a dict of its columns. kept(3)["error"]"""

    def look(jobid: int) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(shared.folder / "instance" / "jobs.sqlite")) as database:
            database.row_factory = sqlite3.Row
            query = "SELECT job.* FROM job JOIN job_list ON job_list.id = list_id WHERE name = ? AND jobid = ?"
            return dict(database.execute(query, (client.progress().name, jobid)).fetchone())

    return look


@pytest.fixture
def client(url, jobix):
    """A JobClient of a list of its own."""
    return JobClient(url, jobix, retry_for_s=5)


@pytest.fixture
def proxy(url):
    """A LossyProxy before the server."""
    with LossyProxy(url) as one:
        yield one


class Terminal:
    """Runs programs as a user would, with the URL and the secret in the environment."""

    def __init__(self, url: str, jobix: int, folder: Path) -> None:
        self.environment = {**os.environ, "JOBSERVER_URL": url, "JOBSERVER_JOBIX": str(jobix)}
        self.environment |= {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """python -m client <words>, in the background."""
        return self.start_python("-m", "client", *words, **environment)

    def start_python(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """python <words>, in the background, in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """python -m client <words>: exit code, stdout, stderr."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def run_in_a_pty(self, *words: str) -> tuple[int, str]:
        """python -m client <words> in a pseudo terminal: exit code, and what was shown."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "client", *words],
            cwd=self.folder,
            env=self.environment | {"TERM": "xterm", "COLUMNS": "120"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while chunk := os.read(ours, 65536):
                shown += chunk
        os.close(ours)
        return process.wait(timeout=10), shown.decode()

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def runs(pid: int) -> bool:
    """Whether that process is still at work."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def terminal(url, jobix, tmp_path):
    """A Terminal in a folder of its own."""
    one = Terminal(url, jobix, tmp_path)
    yield one
    one.close()


@pytest.fixture
def run(url, jobix, monkeypatch, tmp_path, capsys):
    """Runs one command in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("JOBSERVER_URL", url)
    monkeypatch.setenv("JOBSERVER_JOBIX", str(jobix))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def one(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(list(words))
        except SystemExit as ended:  # argparse
            code = ended.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return one


@pytest.fixture(name="until")
def until_fixture():
    """Waits for a condition."""
    return until


@pytest.fixture
def take_back(client, until):
    """Has the jobs in stage 1 expire, and moves them back to stage 0, as a master would."""

    def degrade() -> None:
        before = client.lifetime(1)
        client.lifetime(1, 0.0001)
        until(lambda: client.check_stages(1, 0).degraded > 0)
        client.lifetime(1, before.minutes)

    return degrade
