"""The demo's own server: in a temporary folder, on a free port."""

import re
import secrets
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client import JobClient
from examples.demo.processes import Children
from examples.demo.recording import RETRY_FOR_S

STARTS_WITHIN_S = 30.0
LIFETIME_S = 3.0  # of a claim; the longest file takes a fifth of a second, and a worker renews while it works
LIST_NAME = "demo"
SERVES = re.compile(r"serves (https?://\S+?)/get\b")


class CannotRun(Exception):
    """The demo cannot continue. The message gives the reason in one line."""


@dataclass(frozen=True)
class Server:
    """A running server and the secret key of the demo's list. page: the address for a browser."""

    url: str
    jobix: int
    process: subprocess.Popen[bytes]
    children: Children

    @property
    def page(self) -> str:
        return f"{self.url}/get?list={LIST_NAME}"

    def environment(self) -> Mapping[str, str]:
        """The environment of a worker."""
        return {"JOBSERVER_URL": self.url, "JOBSERVER_JOBIX": str(self.jobix)}

    def require_running(self) -> None:
        """Raises CannotRun with the server's last message if it has ended."""
        if self.process.poll() is not None:
            last_line = self.children.last_line("server")
            raise CannotRun(f"the server ended, exit code {self.process.returncode}: {last_line}")

    def client(self) -> JobClient:
        """A client with the right to create jobs."""
        return JobClient(self.url, self.jobix, worker="demo", retry_for_s=RETRY_FOR_S)


def start_server(children: Children, folder: Path) -> Server:
    """Starts `python app.py` and waits until it serves. Raises CannotRun with its last message."""
    settings = {"INSTANCE": str(folder / "instance"), "PORT": "0", "DRAIN_S": "1"}
    process = children.start("server", ["app.py"], {f"JOBSERVER_{name}": value for name, value in settings.items()})
    give_up_s = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < give_up_s:
        ended = process.poll() is not None
        for line in children.output_lines("server"):
            if serves := SERVES.search(line):
                return Server(serves[1], secrets.randbelow(2**63), process, children)
        if ended:
            raise CannotRun(f"the server did not start: {children.last_line('server')}")
        time.sleep(0.05)
    raise CannotRun(f"the server did not start within {STARTS_WITHIN_S:g} s: {children.last_line('server')}")


def make_list(client: JobClient) -> None:
    """Creates the job list: two steps, each with a short lifetime and automatic requeue."""
    minutes = LIFETIME_S / 60
    client.init([0, minutes, 0, minutes], name=LIST_NAME)
