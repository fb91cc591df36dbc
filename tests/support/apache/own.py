"""A real Apache on a free port, with one of our configurations as it stands but for its paths, users and ports."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import requests

from tests.support.apache.environment import AVAILABLE, CODE
from tests.support.paths import ROOT
from tests.support.waiting import until

DEBIAN = """mpm_event access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user autoindex
    deflate dir env filter mime negotiation reqtimeout setenvif status wsgi"""  # what a new installation has on
MORE = {"full": ["proxy", "proxy_http", "headers"]}
USER = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
START_S = 30


class Apache:
    """One Apache server. `conf`: plain or full; changes: of its text; settings: values for settings.py."""

    def __init__(
        self, folder: Path, source: Path, conf: str, changes: dict[str, str], settings: dict[str, object]
    ) -> None:
        self.folder, self.conf = folder, conf
        self.home, self.logs = folder / "job_manager", folder / "logs"
        self.port, self.push_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._push: subprocess.Popen[bytes] | None = None
        for path in (self.home, self.logs, folder / "data"):
            path.mkdir()
        for name in CODE:
            (shutil.copytree if (source / name).is_dir() else shutil.copy2)(source / name, self.home / name)
        (self.home / ".venv").symlink_to(source / ".venv")
        if os.geteuid() == 0:
            shutil.chown(folder / "data", USER, USER)
        said = {"INSTANCE": str(folder / "data"), "SWEEP_EVERY_S": 0.2, "PUSH_PORT": self.push_port} | settings
        said["PUSH"] = conf == "full"
        self.home.joinpath("settings.py").write_text("".join(f"{name} = {value!r}\n" for name, value in said.items()))
        text = ROOT.joinpath(f"deploy/apache/{conf}.conf").read_text()
        changes = {
            "/srv/job_manager": str(self.home), "job_man_user": USER, "job_man_group": USER,
            "*:80": f"127.0.0.1:{self.port}", ":8821/": f":{self.push_port}/",
        } | changes  # fmt: skip
        for old, new in changes.items():
            assert old in text or conf == "plain", f"{old} is not in {conf}.conf"
            text = text.replace(old, new)
        folder.joinpath("site.conf").write_text(text)
        folder.joinpath("own.conf").write_text(self._own())

    def _own(self) -> str:
        """What Debian's apache2.conf and modules have, as a file that needs no installation's folders."""
        lines = [
            f"ServerRoot {self.folder}", f"DefaultRuntimeDir {self.folder}", f"PidFile {self.folder}/apache.pid",
            "ServerName localhost", f"Listen 127.0.0.1:{self.port}", f"ErrorLog {self.logs}/error.log",
            f"User {USER}", f"Group {USER}", "<Directory />", "Require all denied", "</Directory>",
        ]  # fmt: skip
        modules = [*DEBIAN.split(), *MORE.get(self.conf, [])]
        lines[8:8] = [f"Include {AVAILABLE}/{name}.load" for name in modules]
        lines += [f"IncludeOptional {AVAILABLE}/{name}.co[n]f" for name in modules]
        lines += ["MaxSpareThreads 400"]  # else it ends processes when they idle, and with them open connections
        lines += ["StartServers 5"]  # else open pages hold all threads of two, and it closes connections that idle
        return "\n".join([*lines, f"Include {self.folder}/site.conf", ""])

    @property
    def url(self) -> str:
        """The URL of its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Apache":
        """Starts it and the live feed. Returns when it responds."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
        environment |= {"APACHE_LOG_DIR": str(self.logs), "APACHE_RUN_DIR": str(self.folder), "LANG": "C"}
        self._process = subprocess.Popen(
            ["apache2", "-f", str(self.folder / "own.conf"), "-DFOREGROUND"],
            env=environment, stderr=(self.logs / "start.log").open("ab"),
        )  # fmt: skip
        until(lambda: self._answers(self.url + "/"), self.said, START_S)
        if self.conf == "full":
            command = [str(self.home / ".venv/bin/python"), "-m", "jobserver", "push"]
            who = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
            self._push = subprocess.Popen(
                command, cwd=self.home, env=environment, stderr=(self.logs / "tell.log").open("ab"), **who,
            )  # fmt: skip
            until(lambda: self._answers(f"{self.url}/socket.io/"), self.said, START_S)
        return self

    def _answers(self, url: str) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        try:
            return requests.get(url, timeout=START_S).status_code < 500  # else nobody is behind it
        except requests.ConnectionError:
            return False

    def daemons(self) -> list[int]:
        """The processes that run our Python code."""
        assert self._process is not None
        found = []
        for child in psutil.Process(self._process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.cmdline()[:1] and child.cmdline()[0].startswith("job_man"):
                    found.append(child.pid)
        return found

    def restart(self) -> None:
        """Restarts it as `apachectl graceful` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """Stops Apache and the live feed."""
        for process in filter(None, (self._push, self._process)):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def said(self) -> str:
        """The text of all logs."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.iterdir()))


def free_port() -> int:
    """A free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
