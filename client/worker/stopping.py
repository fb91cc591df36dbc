"""Requests to stop a worker: SIGTERM, SIGINT, or `stop()`."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Abort(BaseException):
    """Raised inside a running function by the second signal. Not an Exception, or the function might catch it."""


class Stopping:
    """Counts the requests to stop: after one the running job finishes, after two it is given back.

    A context manager: it handles signals while it is entered in the main thread, the only one that gets signals in
    Python. The handler only counts: it may run at any point, so it takes no lock and sets no Event.
    """

    def __init__(self) -> None:
        self.count = 0
        self.signum: int | None = None
        self.busy = False  # a job is running
        self._interruptible = False
        self._before: dict[signal.Signals, object] = {}

    @property
    def soon(self) -> bool:
        """One request: take no further job."""
        return self.count >= 1

    @property
    def now(self) -> bool:
        """Two requests: give the running job back."""
        return self.count >= 2

    def request(self) -> None:
        """The same as a signal, from any thread, except that it cannot interrupt a running function."""
        self.count += 1

    def set_interruptible(self, interruptible: bool) -> None:
        """Whether the second signal may raise Abort at this point of the main thread."""
        self._interruptible = interruptible
        if interruptible and self.now:
            self._interruptible = False
            raise Abort

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for signum, before in self._before.items():
            # None: a handler of C code, which Python cannot restore.
            signal.signal(signum, before if callable(before) or isinstance(before, int) else signal.SIG_DFL)
        self._before.clear()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        self.signum = signum
        if self.count == 1:
            # os.write, as print and logging may be in the middle of a line.
            running = b" when the running job has finished; a second signal gives it back at once" if self.busy else b""
            os.write(2, b"stopping" + running + b"\n")
        if self.now and self._interruptible:
            self._interruptible = False
            raise Abort
