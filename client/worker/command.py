"""Runs a command line for a job, in a process group of its own."""

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
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence

from ..api.types import Job
from ..errors import BadTemplate
from .supervision import COMMAND_MARKER, MARKER, Supervision
from .supervisor import end_processes
from .template import Template, environment

POLL_S = 0.1
KILL_AFTER_S = 10.0  # between SIGTERM and SIGKILL: time to write a checkpoint
TAIL_BYTES = 2000
TAIL_LINES = 20
DATA_ERROR = 65  # EX_DATAERR of sysexits.h: the input data is wrong
# What a batch system sends to all processes of a job that it ends. Of a shell whose program was killed: 128 + number.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)
_ENDED_FROM_OUTSIDE = {code for signum in ENDING_SIGNALS for code in (-signum, 128 + signum)}


class CommandFailed(Exception):
    """The command could not be started, or its exit code was not 0; the message is stored with the job.

    returncode: as of subprocess; None if it could not be started.
    """

    def __init__(self, message: str, returncode: int | None = None) -> None:
        super().__init__(message)
        self.returncode = returncode

    @property
    def from_outside(self) -> bool:
        """Whether a signal ended the command that a batch system may have sent to the worker, too."""
        return self.returncode in _ENDED_FROM_OUTSIDE


class CommandStopped(Exception):
    """The command was stopped on request. The message is the end of its stderr."""


class Command:
    """`words`: a command line, each word a Template. No shell is involved: the value of a field is one argument.

    outputs: the number of declared output files. extra: the names of other fields.
    """

    def __init__(self, words: str | Sequence[str], outputs: int = 0, extra: Collection[str] = ()) -> None:
        try:
            words = shlex.split(words) if isinstance(words, str) else list(words)
        except ValueError as problem:
            raise BadTemplate(f"the command line cannot be split into words: {problem}") from problem
        if not words:
            raise BadTemplate("the command line is empty: name the program to run")
        self._words = [Template(word, outputs, extra) for word in words]
        # Checked now: later every job would fail with the same error.
        if self._words[0].is_plain and shutil.which(words[0]) is None:
            raise BadTemplate(f"no program {words[0]!r} was found on this machine: check the name and PATH")
        self._supervision = Supervision()

    def run(self, job: Job, must_stop: Callable[[], bool], extra: Mapping[str, str] | None = None) -> None:
        """Runs the command for this job until it ends or `must_stop` returns True. extra: the values of other fields.

        stdout and stderr are passed on to ours, and the end of stderr is kept. To stop it, its process group and, on
        Linux, all processes with its marker get SIGTERM, and SIGKILL after 10 s. Raises BadTemplate, CommandFailed,
        CommandStopped.
        """
        arguments = [word.fill(job, extra) for word in self._words]
        self._supervision.prepare()
        own = uuid.uuid4().hex
        # Without the secret key: the output of a command may appear on the server's pages.
        inherited = {name: value for name, value in os.environ.items() if name != "JOBSERVER_JOBIX"}
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=inherited | environment(job) | {MARKER: self._supervision.marker, COMMAND_MARKER: own},
                start_new_session=True,  # Ctrl-C in the terminal reaches the worker alone; the running job may finish
            )
        except (OSError, ValueError) as problem:
            raise CommandFailed(f"could not start {arguments[0]}: {problem}") from problem
        self._supervision.started(process.pid)
        tail = _Tail(process)
        waiting = threading.Thread(target=process.wait, name="command", daemon=True)
        waiting.start()
        try:
            while waiting.is_alive():
                waiting.join(POLL_S)
                if waiting.is_alive() and must_stop():
                    end_processes(process.pid, f"{COMMAND_MARKER}={own}".encode(), KILL_AFTER_S)
                    raise CommandStopped(tail.text())
        finally:
            self._supervision.ended()
        if process.returncode:
            message = f"{_describe(process.returncode)}: {tail.text()}".rstrip(": \n")
            raise CommandFailed(message, process.returncode)

    def close(self) -> None:
        """Ends the supervisor process. Another run starts another one."""
        self._supervision.close()


class _Tail:
    """Passes the stderr of a process on to ours, and keeps its end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._tail = b""
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as pipe:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            while chunk := os.read(pipe.fileno(), 65536):
                self._tail = (self._tail + chunk)[-TAIL_BYTES:]
                with contextlib.suppress(OSError, ValueError):  # our own stderr may be closed: the command continues
                    sys.stderr.write(decoder.decode(chunk))
                    sys.stderr.flush()

    def text(self) -> str:
        """Its last lines, once the process has ended."""
        # With a limit: a process that the command left running may hold the pipe open.
        self._thread.join(timeout=1.0)
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def _describe(returncode: int) -> str:
    if returncode > 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
