"""Runs one drain in a separate process: python -m bench.drain MODULE NAME JOBS

In this way no system inherits the threads, patches or memory of another one. Prints the seconds.
"""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from bench.servers import ROOT
from bench.system import System, load_systems

LONGEST_S, END_S = 180, 30
AIM_S, SHORTEST_S, LONG_S = 2.2, 1.5, 4.0
RESULT = "seconds of the drain: "


class Drain:
    """Drains one system repeatedly, each time with as many jobs as take some seconds."""

    def __init__(self, system: System) -> None:
        self._system, self._jobs = system, system.jobs

    def __call__(self) -> dict[str, float]:
        """Jobs a second of one drain. A short drain is repeated with more jobs."""
        seconds, jobs = run_drain_s(self._system, self._jobs), self._jobs
        if not SHORTEST_S < seconds < LONG_S:
            self._jobs = max(100, round(jobs / seconds * AIM_S))
        if seconds < SHORTEST_S:
            seconds, jobs = run_drain_s(self._system, self._jobs), self._jobs
        return {self._system.name: jobs / seconds}


def run_drain_s(system: System, jobs: int) -> float:
    """Seconds that the system needed for this many jobs; RuntimeError with the end of its output if it failed."""
    name = system.name
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.drain", system.module, name, str(jobs)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{name}: not drained within {LONGEST_S} s") from error
    finally:
        if process.poll() is None:  # the time limit was reached, or this run was interrupted
            process.terminate()  # it also ends its PostgreSQL, which is not in its process group
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    seconds = [line.removeprefix(RESULT) for line in output.splitlines() if line.startswith(RESULT)]
    if process.returncode or not seconds:
        raise RuntimeError(f"{name}: {' '.join(output.split())[-400:]}")
    return float(seconds[0])


def main(module: str, name: str, jobs: int) -> None:
    """Drains once, and prints the seconds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    system = next(system for system in load_systems([module])[0] if system.name == name)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        seconds = system.drain(Path(folder), jobs)
    print(f"{RESULT}{seconds}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
