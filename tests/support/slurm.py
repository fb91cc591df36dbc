"""A real Slurm of one node on this machine: its own authentication service, controller and node daemon."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.support.until import until

DAEMONS = ("munged", "slurmctld", "slurmd")
SBIN = "/usr/sbin:/usr/local/sbin"
KILL_WAIT_S = 5
_CONFIG = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={controller_port}
SlurmdPort={node_port}
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
KillWait={kill_wait_s}
DefMemPerCPU=100
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=500 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in DAEMONS if _find(name) is None]


def _find(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=SBIN)


class Slurm:
    """The three daemons, in the foreground, so that each ends with its process id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> Slurm:
        """Starts the daemons; returns when the node accepts jobs."""
        self.folder.chmod(0o755)  # munged requires it for its socket
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        values = {"folder": self.folder, "user": getpass.getuser(), "kill_wait_s": KILL_WAIT_S, "cpus": os.cpu_count()}
        ports = {"controller_port": _free_port(), "node_port": _free_port()}
        (self.folder / "slurm.conf").write_text(_CONFIG.format(**values, **ports))
        files = {"socket": "sock", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        # --force: it would refuse a socket below /tmp, which everybody can write to.
        self._run("munged", "--foreground", "--force", *(f"--{a}={self.folder}/munge.{b}" for a, b in files.items()))
        until((self.folder / "munge.sock").exists, self.logs)
        self._run("slurmctld", "-D")
        self._run("slurmd", "-D", "-N", "localhost")
        until(lambda: "idle" in self.command("sinfo", "--noheader", "--format=%t"), self.logs, within_s=30, pause_s=0.2)
        return self

    def command(self, *words: str) -> str:
        """Runs a command of Slurm. Returns its stdout and stderr."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=30, cwd=self.folder)
        return done.stdout + done.stderr

    def submit(self, script: str, *options: str, **environment: str) -> str:
        """Submits a batch script. Returns the id of the job; its output is in the file `<id>.out`."""
        done = subprocess.run(
            ["sbatch", "--parsable", f"--output={self.folder}/%j.out", *options],
            input=f"#!/bin/bash\n{script}\n", env=self.environment | environment, capture_output=True, text=True,
            timeout=30, check=True, cwd=self.folder,
        )  # fmt: skip
        return done.stdout.strip()

    def state(self, job_id: str) -> str:
        """The state of a job, such as RUNNING or TIMEOUT; "" if the controller is too busy to answer."""
        _, _, rest = self.command("scontrol", "show", "job", job_id).partition("JobState=")
        return rest.split()[0] if rest else ""

    def output(self, job_id: str) -> str:
        """What the job has printed so far."""
        path = self.folder / f"{job_id}.out"
        return path.read_text() if path.exists() else ""

    def logs(self) -> str:
        """The ends of the logs of the daemons."""
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        """Ends all jobs and the daemons."""
        self.command("scancel", f"--user={getpass.getuser()}")
        time.sleep(0.5)
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def _run(self, name: str, *options: str) -> None:
        program = _find(name)
        assert program is not None
        with (self.folder / f"{name}.stderr.log").open("wb") as log:
            self._daemons.append(
                subprocess.Popen([program, *options], env=self.environment, stdout=log, stderr=log, cwd=self.folder)
            )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
