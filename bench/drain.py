"""One drain in a process of its own: python -m bench.drain MODULE NAME JOBS

So that no system inherits the threads, the patches or the memory of another. Prints the seconds.
"""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from bench.started import ROOT
from bench.system import System, found

LONGEST_S, END_S = 180, 30
AIM_S, SHORTEST_S, LONG_S = 2.2, 1.5, 4.0
SAID = "seconds of the drain: "


class Drain:
    """A system's drains, one after another: each of as many jobs as take some seconds."""

    def __init__(self, system: System) -> None:
        self._system, self._jobs = system, system.jobs

    def __call__(self) -> dict[str, float]:
        """The jobs a second of one drain; a short one is done again with more."""
        seconds, jobs = drained_s(self._system, self._jobs), self._jobs
        if not SHORTEST_S < seconds < LONG_S:
            self._jobs = max(100, round(jobs / seconds * AIM_S))
        if seconds < SHORTEST_S:
            seconds, jobs = drained_s(self._system, self._jobs), self._jobs
        return {self._system.name: jobs / seconds}


def drained_s(system: System, jobs: int) -> float:
    """Seconds that the system needed for so many jobs; RuntimeError with its last words."""
    name = system.name
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.drain", system.module, name, str(jobs)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{name}: not drained within {LONGEST_S} s") from error
    finally:
        if process.poll() is None:  # too long, or this run is ended
            process.terminate()  # it ends what it started, PostgreSQL for one, which has left its group
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    seconds = [line.removeprefix(SAID) for line in said.splitlines() if line.startswith(SAID)]
    if process.returncode or not seconds:
        raise RuntimeError(f"{name}: {' '.join(said.split())[-400:]}")
    return float(seconds[0])


def main(module: str, name: str, jobs: int) -> None:
    """Drains once."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    system = next(system for system in found([module])[0] if system.name == name)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        seconds = system.drain(Path(folder), jobs)
    print(f"{SAID}{seconds}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
