"""A command line as the work of a worker: filled in for a job, run in a process group of its own."""

from __future__ import annotations

import codecs
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from .errors import BadTemplate
from .job import Job
from .template import Template

LOOK_EVERY_S = 0.1
KILL_AFTER_S = 10.0  # between SIGTERM and SIGKILL: time to write a checkpoint
TAIL_BYTES = 2000
TAIL_LINES = 20


class CommandFailed(Exception):
    """The command could not be started, or ended with an exit code other than 0; the message is kept with the job."""


class CommandStopped(Exception):
    """The command was stopped because it was asked to be."""


class Command:
    """`words`: a command line, each word a Template. It never meets a shell: a filled-in field stays one argument."""

    def __init__(self, words: str | Sequence[str]) -> None:
        try:
            words = shlex.split(words) if isinstance(words, str) else list(words)
        except ValueError as problem:
            raise BadTemplate(f"the command line can't be split into words: {problem}") from problem
        if not words:
            raise BadTemplate("the command line is empty: name the program to run")
        self._words = [Template(word) for word in words]
        # Found out now, once: later every job would be given back with the same error.
        if self._words[0].is_plain and shutil.which(words[0]) is None:
            raise BadTemplate(f"there is no program {words[0]!r} here that can be run: check the name and PATH")

    def run(self, job: Job, must_stop: Callable[[], bool]) -> None:
        """Runs the command for this job, to its end or until `must_stop`.

        stdout goes where ours goes; so does stderr, whose end is kept too. When stopped, the whole process group
        gets SIGTERM, and SIGKILL after 10 s. Raises BadTemplate, CommandFailed, CommandStopped.
        """
        arguments = [word.fill(job) for word in self._words]
        # The secret isn't the command's: what it prints may end on the server's pages.
        environment = {name: value for name, value in os.environ.items() if name != "JOBSERVER_JOBIX"}
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,  # a Ctrl-C in the terminal is for the worker; the running job may end
            )
        except (OSError, ValueError) as problem:
            raise CommandFailed(f"could not start {arguments[0]}: {problem}") from problem
        tail = _Tail(process)
        waiting = threading.Thread(target=process.wait, name="command", daemon=True)
        waiting.start()
        while waiting.is_alive():
            waiting.join(LOOK_EVERY_S)
            if waiting.is_alive() and must_stop():
                _end_group(process.pid)
                raise CommandStopped
        if process.returncode:
            raise CommandFailed(f"{_in_words(process.returncode)}: {tail.text()}".rstrip(": \n"))


class _Tail:
    """Passes a process' stderr on to ours, and keeps its end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept = b""
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as pipe:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            while chunk := os.read(pipe.fileno(), 65536):
                self._kept = (self._kept + chunk)[-TAIL_BYTES:]
                with contextlib.suppress(OSError, ValueError):  # our own stderr may be closed: the command goes on
                    sys.stderr.write(decoder.decode(chunk))
                    sys.stderr.flush()

    def text(self) -> str:
        """Its last lines, once the process has ended."""
        # Not for ever: something that the command left running may hold the pipe open.
        self._thread.join(timeout=1.0)
        lines = self._kept.decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def _end_group(group: int) -> None:
    """SIGTERM to all processes of the group, SIGKILL to those left after 10 s."""
    kill_at = time.monotonic() + KILL_AFTER_S
    try:
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < kill_at:
            time.sleep(LOOK_EVERY_S / 2)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # all of them ended; macOS says the latter of a group of zombies


def _in_words(returncode: int) -> str:
    if returncode > 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
