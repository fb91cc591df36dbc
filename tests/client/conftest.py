"""Fixtures of the client's tests: a client, a lossy proxy in front of the server, and the command line."""

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
from tests.support.until import until


def write_secret(path: Path, jobix: object) -> None:
    """Writes a file that only its owner can read, as `jm init` does."""
    path.write_text(str(jobix))
    path.chmod(0o600)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One server for all tests that only need a new list. Tests that stop the server use `server`."""
    server = Server(tmp_path_factory.mktemp("shared-server"))
    yield server.start()
    server.kill()


@pytest.fixture(scope="session")
def url(shared):
    """The URL of the shared server."""
    return shared.url


@pytest.fixture
def job_row(shared, client):
    """Reads the database row of a job as a dict of its columns: job_row(3)["error"]."""

    def read_row(jobid: int) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(shared.folder / "instance" / "jobs.sqlite")) as database:
            database.row_factory = sqlite3.Row
            query = "SELECT job.* FROM job JOIN job_list ON job_list.id = list_id WHERE job_list.name = ? AND jobid = ?"
            return dict(database.execute(query, (client.progress().name, jobid)).fetchone())

    return read_row


@pytest.fixture
def client(url, jobix):
    """A JobClient with a new list."""
    return JobClient(url, jobix, retry_for_s=5)


@pytest.fixture
def proxy(url):
    """A LossyProxy in front of the server."""
    with LossyProxy(url) as lossy_proxy:
        yield lossy_proxy


class Terminal:
    """Runs programs as a user would, with the URL and the secret in the environment."""

    def __init__(self, url: str, jobix: int, folder: Path) -> None:
        self.environment = {**os.environ, "JOBSERVER_URL": url, "JOBSERVER_JOBIX": str(jobix)}
        self.environment |= {
            "PYTHONPATH": os.environ.get("PYTHONPATH") or str(ROOT),  # a planted fault adds a folder
            "PYTHONUNBUFFERED": "1",
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts `python -m client ARGUMENTS`."""
        return self.start_python("-m", "client", *arguments, **environment)

    def start_python(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts `python ARGUMENTS`."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Runs `python -m client ARGUMENTS`. Returns the exit code, stdout and stderr."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def run_in_a_pty(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """Runs `python -m client ARGUMENTS` in a pseudo terminal. Returns the exit code and the output."""
        controller, terminal_end = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "client", *arguments],
            cwd=self.folder,
            env=self.environment | {"TERM": "xterm", "COLUMNS": "120"},
            stdin=terminal_end,
            stdout=terminal_end,
            stderr=terminal_end,
        )
        os.close(terminal_end)
        os.write(controller, typed.encode())
        output = b""
        with contextlib.suppress(OSError):  # Linux raises this when the other end is closed
            while chunk := os.read(controller, 65536):
                output += chunk
        os.close(controller)
        return process.wait(timeout=10), output.decode()

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def is_running(pid: int) -> bool:
    """Whether that process is running."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def terminal(url, jobix, tmp_path):
    """A Terminal in a new folder."""
    new_terminal = Terminal(url, jobix, tmp_path)
    yield new_terminal
    new_terminal.close()


@pytest.fixture
def run(url, jobix, monkeypatch, tmp_path, capsys):
    """Runs one command in this process. Returns the exit code, stdout and stderr."""
    monkeypatch.setenv("JOBSERVER_URL", url)
    monkeypatch.setenv("JOBSERVER_JOBIX", str(jobix))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as ended:  # argparse
            code = ended.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture(name="until")
def until_fixture():
    """Waits for a condition."""
    return until


@pytest.fixture
def take_back_on(until):
    """Lets the jobs in stage 1 of a client's list expire and requeues them to stage 0, as a master would."""

    def degrade(client: JobClient) -> None:
        before = client.lifetime(1)
        client.lifetime(1, 0.0001)
        until(lambda: client.check_stages(1, 0).ok and client.progress().working == 0)
        client.lifetime(1, before.minutes)

    return degrade


@pytest.fixture
def take_back(client, take_back_on):
    """`take_back_on` for the list of `client`."""
    return lambda: take_back_on(client)
