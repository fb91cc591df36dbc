"""The worker processes of a run: one for each place, which is replaced after a kill."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.support.paths import ROOT

NODE_ENDS_S = 1.0  # between SIGTERM and SIGKILL
STOP_TIMEOUT_S = 0.3  # time for a worker to end after SIGTERM; then it is killed, and its claims are lost


class Team:
    """Real processes of worker.py."""

    def __init__(self, jobix: int, seed: str, journal: Path, hosts: int, environment: dict[str, str]) -> None:
        """hosts: the number of different hosts in the names of the workers; 0: names without a host. environment: more
        variables of the workers."""
        self._hosts = hosts
        self._jobix = jobix
        self._seed = seed
        self._journal = journal
        self._log = journal.with_name("workers.log")
        self._log.touch()
        self._numbers = itertools.count(1)
        self._url: Callable[[int], str]
        self._styles: list[str] = []
        self._pids: list[int] = []
        self._lock = threading.Lock()
        self._forker = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.history.forker", str(self._log)],
            cwd=ROOT, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, styles: list[str], url: Callable[[int], str]) -> None:
        """Starts one worker of each style. url: the server of a place's worker."""
        self._styles, self._url = styles, url
        self._pids = [self._start_worker(place) for place in range(len(styles))]

    def replace(self, place: int) -> None:
        """Kills the worker of a place and starts another one."""
        self._signal(self._pids[place], signal.SIGKILL)
        self._pids[place] = self._start_worker(place)

    def signal(self, place: int, number: int) -> None:
        """Stops or continues the worker of a place."""
        self._signal(self._pids[place], number)

    def end_node(self, place: int) -> None:
        """Ends the worker of a place as a batch system does: SIGTERM to its commands and to it, later SIGKILL. Another
        one starts."""
        pid = self._pids[place]
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(pid).children(recursive=True):
                self._signal(process.pid, signal.SIGTERM)
        self._signal(pid, signal.SIGTERM)
        self._wait([pid], NODE_ENDS_S)
        self.replace(place)

    def wait(self, seconds: float) -> None:
        """Returns when all workers have ended by themselves, or after that time."""
        self._wait(self._pids, seconds)

    def _wait(self, pids: list[int], seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while any(map(self._is_alive, pids)) and time.monotonic() < give_up_at:
            time.sleep(0.005)

    def finish(self) -> None:
        """Ends all workers. RuntimeError if one has crashed before."""
        for pid in self._pids:
            self._signal(pid, signal.SIGTERM)
        self.wait(STOP_TIMEOUT_S)
        for pid in self._pids:
            self._signal(pid, signal.SIGKILL)
        while any(map(self._is_alive, self._pids)):
            time.sleep(0.005)
        self._pids = []
        if error := self._log.read_text():
            raise RuntimeError(f"a worker ended by itself: {error}")

    def close(self) -> None:
        """Kills all workers."""
        for pid in self._pids:
            self._signal(pid, signal.SIGKILL)
        self._forker.kill()
        self._forker.communicate()

    def _start_worker(self, place: int) -> int:
        number, style = next(self._numbers), self._styles[place]
        name = f"{style.replace(' ', '-')}-{number}"
        if self._hosts:
            name = f"host{number % self._hosts}:{name}"
        arguments = [self._url(place), str(self._jobix), name, str(number), f"{self._seed} {number}", style]
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        with self._lock:
            self._forker.stdin.write(json.dumps([*arguments, str(self._journal)]) + "\n")
            self._forker.stdin.flush()
            return int(self._forker.stdout.readline())

    def _is_alive(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
