"""The four worker processes of the demo, and the one among them that is killed."""

import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.demo.history import History, Hold
from examples.demo.processes import Children, suspend
from examples.demo.server import LIFETIME_S, CannotRun, Server

WORKERS = 4
READY_WITHIN_S = 30.0


@dataclass
class Member:
    """One worker process and its recorded claims."""

    name: str
    process: subprocess.Popen[bytes]
    history: History


@dataclass(frozen=True)
class Kill:
    """Worker `name` was killed while it held `hold`."""

    name: str
    pid: int
    hold: Hold

    def taken_over(self, holds: Sequence[Hold]) -> Hold | None:
        """The next claim of the same job; None while there is none."""
        same = (hold for hold in holds if (hold.jobid, hold.stage) == (self.hold.jobid, self.hold.stage))
        later = (hold for hold in same if hold.start_s > self.hold.end_s)
        return min(later, key=lambda hold: hold.start_s, default=None)


class Team:
    """Starts four workers on the server's list, which wait for the first jobs."""

    def __init__(self, children: Children, server: Server, input_folder: Path, run_folder: Path) -> None:
        self._children = children
        self.kill: Kill | None = None
        self.members: list[Member] = []
        for number in range(1, WORKERS + 1):
            name = f"worker {number}"
            # A separate outbox for each worker: no other worker delivers a result of the killed worker.
            environment = {**server.environment(), "JM_OUTBOX": str(run_folder / f"{name}.outbox")}
            words = ["-m", "examples.demo.worker", name, str(input_folder), str(run_folder)]
            process = children.start(name, words, environment)
            self.members.append(Member(name, process, History(name, run_folder / f"{name}.jsonl", LIFETIME_S)))

    def wait_until_ready(self) -> None:
        """Returns when all workers are about to request their first job. Raises CannotRun."""
        give_up_s = time.monotonic() + READY_WITHIN_S
        while not all(member.history.ready for member in self.members):
            if crashed := self.crashed():
                raise CannotRun(crashed[0])
            if time.monotonic() > give_up_s:
                raise CannotRun(f"the workers did not start within {READY_WITHIN_S:g} s")
            time.sleep(0.02)
            self.read()

    def read(self) -> None:
        """Reads the new lines of the workers' logs."""
        for member in self.members:
            member.history.read()

    @property
    def holds(self) -> list[Hold]:
        """All claims of all workers so far."""
        return [hold for member in self.members for hold in member.history.holds]

    def kill_busy_worker(self) -> bool:
        """Kills a worker with SIGKILL while it certainly holds a job; returns False if no worker does now.

        The worker is first stopped. It is killed only if its log then shows a claimed job without a report; otherwise
        it continues.
        """
        for member in self.members:
            if member.process.poll() is not None or member.history.current_claim() is None:
                continue
            if not suspend(member.process):
                continue
            member.history.read()
            hold = member.history.current_claim()
            if hold is None:
                member.process.send_signal(signal.SIGCONT)
                continue
            member.process.kill()
            member.process.wait()
            member.history.killed(time.monotonic())
            self.kill = Kill(member.name, member.process.pid, hold)
            return True
        return False

    @property
    def alive(self) -> bool:
        """Whether a worker is running."""
        return any(member.process.poll() is None for member in self.members)

    def crashed(self) -> list[str]:
        """A line for each worker that ended unexpectedly."""
        killed = None if self.kill is None else self.kill.name
        return [
            f"{name} ended by itself, exit code {process.returncode}: {self._children.last_line(name)}"
            for name, process in ((member.name, member.process) for member in self.members)
            if process.poll() is not None and name != killed
        ]

    def stop(self) -> None:
        """Waits for each worker's running job, then reads the rest of the logs."""
        self._children.stop([member.process for member in self.members])
        self.read()
