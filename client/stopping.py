"""How a worker is told to end: SIGTERM, SIGINT, or `stop()`."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Abort(BaseException):
    """Raised inside a running function by the second signal. Not an Exception, or the function might swallow it."""


class Stopping:
    """Counts the requests to stop: after one the running job ends, after two it is given back.

    A context manager; signals are heard while it is entered, if that is in the main thread (Python has them nowhere
    else). The handler only counts: it may run in the middle of anything, so it takes no lock and sets no Event.
    """

    def __init__(self) -> None:
        self.count = 0
        self.signum: int | None = None
        self.busy = False  # with a job
        self._interruptible = False
        self._before: dict[signal.Signals, object] = {}

    @property
    def soon(self) -> bool:
        """Asked to stop: take no further job."""
        return self.count >= 1

    @property
    def now(self) -> bool:
        """Asked twice: give the running job back."""
        return self.count >= 2

    def ask(self) -> None:
        """The same as a signal, from any thread, but that it can't interrupt a running function."""
        self.count += 1

    def may_interrupt(self, yes: bool) -> None:
        """Whether the second signal may raise Abort where the main thread is just now."""
        self._interruptible = yes
        if yes and self.now:
            self._interruptible = False
            raise Abort

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                self._before[signum] = signal.signal(signum, self._heard)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for signum, before in self._before.items():
            # None: it had been set by C code, which can't be put back from here.
            signal.signal(signum, before if callable(before) or isinstance(before, int) else signal.SIG_DFL)
        self._before.clear()

    def _heard(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        self.signum = signum
        if self.count == 1:
            # os.write, as print and logging may be in the middle of a line of their own.
            running = b" when the running job has ended; a second signal gives it back at once" if self.busy else b""
            os.write(2, b"stopping" + running + b"\n")
        if self.now and self._interruptible:
            self._interruptible = False
            raise Abort
