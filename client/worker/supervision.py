"""Starts the supervisor process of a worker, and tells it which command runs."""

from __future__ import annotations

import contextlib
import logging
import os
import pkgutil
import subprocess
import sys
import uuid

from .supervisor import END

log = logging.getLogger(__name__)

MARKER = "JM_WORKER_ID"
COMMAND_MARKER = "JM_COMMAND_ID"  # of one command: processes that earlier commands left running continue
# If this worker is itself a command, the end of that command does not end the supervisor.
_NOT_INHERITED = (MARKER, COMMAND_MARKER, "JOBSERVER_JOBIX")
EXIT_TIMEOUT_S = 2.0
# The supervisor gets its source through stdin. It then starts in 10 ms and with little memory: importing this package
# would also import its libraries. A zip app (jm.pyz) has no file to run.
_BOOTSTRAP = "import sys; exec(compile(sys.stdin.buffer.read(int(sys.argv.pop())), 'jm-supervisor', 'exec'))"


class Supervision:
    """The connection to one supervisor process, which is started with the first command."""

    def __init__(self) -> None:
        self.marker = uuid.uuid4().hex
        self._process: subprocess.Popen[bytes] | None = None
        self._failed = False

    def prepare(self) -> None:
        """Starts the supervisor, if it does not run, before a command starts: the worker may be killed at any time."""
        if self._process is None and not self._failed:
            self._start()

    def started(self, group: int) -> None:
        """From now on, this process group ends with the worker."""
        self._send(b"%d" % group)

    def ended(self) -> None:
        """The command has ended. What it left running in the background stays."""
        self._send(b"0")

    def close(self) -> None:
        """Ends the supervisor; another one starts with the next command."""
        process = self._process
        self._send(END)
        self._process = None
        self._failed = False
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(EXIT_TIMEOUT_S)

    def _start(self) -> None:
        source = pkgutil.get_data(__package__, "supervisor.py") or b""
        words = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, f"{MARKER}={self.marker}", str(len(source))]
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: value for name, value in os.environ.items() if name not in _NOT_INHERITED},
                start_new_session=True,
                bufsize=0,
            )
            assert self._process.stdin is not None
            self._process.stdin.write(source)
        except OSError as problem:
            self._fail(problem)

    def _send(self, line: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write(line + b"\n")
            except OSError as problem:
                self._fail(problem)

    def _fail(self, problem: OSError) -> None:
        log.warning("commands will continue to run if this worker is killed: no supervisor process (%s)", problem)
        self._process = None
        self._failed = True
