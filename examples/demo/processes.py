"""The demo's child processes and its interruption: no started process is left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
STOPS_WITHIN_S = 10.0


class Interrupted(BaseException):
    """The user pressed Ctrl-C, or a signal stopped the demo. signum: the signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Interruptions:
    """Turns the first SIGINT, SIGTERM or SIGHUP into Interrupted, but not within sections that must complete.

    Later signals are ignored, so that they cannot prevent the termination of the started processes.
    """

    def __init__(self) -> None:
        self._held = False
        self._waiting: int | None = None
        signal.signal(signal.SIGINT, self._arrived)
        signal.signal(signal.SIGTERM, self._arrived)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # otherwise it was started by nohup
            signal.signal(signal.SIGHUP, self._arrived)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Defers an interruption to the end of the section."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting is not None:
            self.ignore()
            raise Interrupted(self._waiting)

    def ignore(self) -> None:
        """Ignores interruptions from now on."""
        self._held = True

    def _arrived(self, signum: int, frame: FrameType | None) -> None:
        if self._held:
            self._waiting = signum
        else:
            self.ignore()
            raise Interrupted(signum)


class Children:
    """All processes of the demo, each in its own session: only the demo itself receives Ctrl-C of the terminal."""

    def __init__(self, folder: Path, interruptions: Interruptions) -> None:
        self._folder = folder
        self._interruptions = interruptions
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Starts this Python with these arguments in the project's folder; `output_lines(name)` returns its output."""
        with self._interruptions.held(), self._output(name).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=_clean_environment() | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._processes.append(process)
        return process

    def output_lines(self, name: str) -> list[str]:
        """The complete lines that a child has printed."""
        text = self._output(name).read_text(encoding="utf-8", errors="replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def last_line(self, name: str) -> str:
        """The last line that a child has printed; of a traceback, the message."""
        return next((line for line in reversed(self.output_lines(name)) if line.strip()), "it printed nothing")

    def stop(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Terminates these processes and waits for them; kills those that do not end."""
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.send_signal(signal.SIGCONT)  # a stopped process would not receive SIGTERM
        deadline_s = time.monotonic() + STOPS_WITHIN_S
        for process in processes:
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stop_all(self) -> None:
        """Terminates the server last: the other processes may still report to it."""
        self._interruptions.ignore()
        self.stop(self._processes[1:])
        self.stop(self._processes[:1])

    def _output(self, name: str) -> Path:
        return self._folder / f"{name}.output"


def suspend(process: subprocess.Popen[bytes]) -> bool:
    """Stops a process (SIGSTOP) and waits until it is stopped; False if it has ended instead."""
    process.send_signal(signal.SIGSTOP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return True
    process.returncode = os.waitstatus_to_exitcode(status)  # a process can be waited for only once
    return False


def _clean_environment() -> dict[str, str]:
    """The environment without settings for another job server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
