"""A real Apache on a free port, with one of our configurations; only paths, users and ports are changed."""

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

from tests.support.apache.environment import AVAILABLE, PARTS
from tests.support.paths import ROOT
from tests.support.until import until

DEBIAN = """mpm_event access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user autoindex
    deflate dir env filter mime negotiation reqtimeout setenvif status wsgi"""  # the modules of a new installation
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
        for name in PARTS:
            (shutil.copytree if (source / name).is_dir() else shutil.copy2)(source / name, self.home / name)
        (self.home / ".venv").symlink_to(source / ".venv")
        if os.geteuid() == 0:
            shutil.chown(folder / "data", USER, USER)
        values = {"INSTANCE": str(folder / "data"), "SWEEP_EVERY_S": 0.2, "PUSH_PORT": self.push_port} | settings
        values["PUSH"] = conf == "full"
        self.home.joinpath("settings.py").write_text("".join(f"{name} = {value!r}\n" for name, value in values.items()))
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
        """The content of Debian's apache2.conf with its modules, without the folders of an installation."""
        lines = [
            f"ServerRoot {self.folder}", f"DefaultRuntimeDir {self.folder}", f"PidFile {self.folder}/apache.pid",
            "ServerName localhost", f"Listen 127.0.0.1:{self.port}", f"ErrorLog {self.logs}/error.log",
            f"User {USER}", f"Group {USER}", "<Directory />", "Require all denied", "</Directory>",
        ]  # fmt: skip
        modules = [*DEBIAN.split(), *MORE.get(self.conf, [])]
        lines[8:8] = [f"Include {AVAILABLE}/{name}.load" for name in modules]
        lines += [f"IncludeOptional {AVAILABLE}/{name}.co[n]f" for name in modules]
        lines += ["MaxSpareThreads 400"]  # otherwise it ends idle processes and their open connections
        lines += [
            "StartServers 5"
        ]  # otherwise open pages occupy all threads of two processes, and idle connections are closed
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
        until(lambda: self._answers(self.url + "/"), self.log_text, START_S)
        if self.conf == "full":
            command = [str(self.home / ".venv/bin/python"), "-m", "jobserver", "push"]
            owner = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
            self._push = subprocess.Popen(
                command, cwd=self.home, env=environment, stderr=(self.logs / "tell.log").open("ab"), **owner,
            )  # fmt: skip
            until(lambda: self._answers(f"{self.url}/socket.io/"), self.log_text, START_S)
        return self

    def _answers(self, url: str) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_text()
        try:
            return requests.get(url, timeout=START_S).status_code < 500  # otherwise no process listens behind it
        except requests.ConnectionError:
            return False

    def daemons(self) -> list[int]:
        """The processes that run our Python code."""
        assert self._process is not None
        processes = []
        for child in psutil.Process(self._process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.cmdline()[:1] and child.cmdline()[0].startswith("job_man"):
                    processes.append(child.pid)
        return processes

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

    def log_text(self) -> str:
        """The text of all logs."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.iterdir()))


def free_port() -> int:
    """A free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
