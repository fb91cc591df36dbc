"""A real server process, and requests to it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from tests.support.paths import ROOT

START_S = 30


class Server:
    """A server process that can be stopped, killed and started again, on the same port and database."""

    def __init__(self, folder: Path, database_uri: str = "", **settings: str) -> None:
        self.root = ROOT  # the folder of its code
        self.folder = folder
        self.log = folder / "server.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = {
            "JOBSERVER_CONFIG": "",  # no file, not even one in the folder of app.py
            "JOBSERVER_INSTANCE": str(folder / "instance"),
            "JOBSERVER_DATABASE_URI": database_uri,
            "JOBSERVER_SWEEP_EVERY_S": "0.1",
            **{f"JOBSERVER_{name.upper()}": value for name, value in settings.items()},
        }

    @property
    def url(self) -> str:
        """The URL of its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its process."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
        return inherited | self._settings | {"JOBSERVER_PORT": str(self.port)}

    def start(self) -> "Server":
        """Starts it, and returns when it listens."""
        log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=self.root, env=self.environment, stdout=log, stderr=log
            )
        give_up_at = time.monotonic() + START_S
        while time.monotonic() < give_up_at:
            text = self.log.read_bytes()[log_start:].decode()
            listening = re.search(r"serves http://[^/]*:(\d+)/get", text)
            if listening:
                self.port = int(listening[1])
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}: {text}")
            time.sleep(0.01)
        raise RuntimeError(f"the server did not start within {START_S} s: {self.log.read_text()}")

    def stop(self) -> int:
        """Stops it as Ctrl-C does. Returns its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kills it; under `make coverage` it ends it with SIGTERM, because a killed process writes no coverage data."""
        self._end(signal.SIGTERM if "COVERAGE_PROCESS_CONFIG" in os.environ else signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(number)
        return self.process.wait(timeout=40)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """python -m jobserver, on the same database."""
        return subprocess.run(
            [sys.executable, "-m", "jobserver", *arguments], cwd=self.root, env=self.environment, capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip


class ApiClient:
    """Requests with one key, as a founding worker makes them, with checks of each response."""

    def __init__(self, url: str, jobix: int) -> None:
        self.url = url
        self.jobix = jobix
        self.session = requests.Session()

    def __call__(self, path: str, body: object = None, method: str | None = None, **headers: str) -> requests.Response:
        """One request: POST if there is a body, with headers such as claim="…", next_claim="…"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(
            method or ("GET" if body is None else "POST"), self.url + path, json=body, timeout=70,
            headers={"jobix": str(self.jobix)} | named,
        )  # fmt: skip
