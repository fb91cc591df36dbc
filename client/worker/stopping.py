"""Requests to stop a worker: SIGTERM, SIGINT, `stop()`, or the approaching end of a batch system's job."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import FrameType, TracebackType

from .batch_system import StopTimes

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
CLOCK_CHECK_S = 10.0  # the clock of the machine may be set while the worker waits


class Abort(BaseException):
    """Raised inside a running function to give its job back. Not an Exception, or the function might catch it."""


class Stopping:
    """Counts the requests to stop: after one the running job finishes, after two it is given back.

    SIGTERM counts as two: a batch system or an administrator sends it shortly before SIGKILL. times: when the worker
    makes these requests itself. A context manager: it handles signals while it is entered in the main thread, the only
    one that gets signals in Python. The handler only counts: it may run at any point, so it takes no lock and sets no
    Event.
    """

    def __init__(self, times: StopTimes | None = None) -> None:
        self.count = 0
        self.signum: int | None = None
        self.busy = False  # a job is running
        self._times = times
        self._interruptible = False
        self._before: dict[signal.Signals, object] = {}
        self._left = threading.Event()
        self._leaving = threading.Lock()
        self._planned = False  # the next SIGTERM is our own

    @property
    def soon(self) -> bool:
        """One request: take no further job."""
        return self.count >= 1

    @property
    def now(self) -> bool:
        """Two requests: give the running job back."""
        return self.count >= 2

    def request(self) -> None:
        """The same as SIGINT, from any thread, except that it cannot interrupt a running function."""
        self.count += 1

    def set_interruptible(self, interruptible: bool) -> None:
        """Whether a signal may raise Abort at this point of the main thread."""
        self._interruptible = interruptible
        if interruptible and self.now:
            self._interruptible = False
            raise Abort

    def wait_for_signal(self, timeout_s: float) -> None:
        """Waits until a signal has arrived, at most for that time."""
        give_up_at = time.monotonic() + timeout_s
        while self.signum is None and not self.now and time.monotonic() < give_up_at:
            time.sleep(0.02)

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                self._before[signum] = signal.signal(signum, self._handle)
            # A parent process may ignore it. Then the exit code of a command is unknown, and appears to be 0.
            if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
                self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._left.clear()
        if self._times is not None:
            threading.Thread(target=self._watch, args=[self._times], name="stop-before", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        with self._leaving:
            self._left.set()
        for signum, before in self._before.items():
            # None: a handler of C code, which Python cannot restore.
            signal.signal(signum, before if callable(before) or isinstance(before, int) else signal.SIG_DFL)
        self._before.clear()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._planned:
            self._planned = False
        else:
            self._count(signum)
        if self.now and self._interruptible:
            self._interruptible = False
            raise Abort

    def _count(self, signum: int) -> None:
        is_first = not self.soon
        self.count = max(self.count + 1, 2 if signum == signal.SIGTERM else 1)
        self.signum = signum
        if is_first:
            text = b"stopping"
            if self.busy and self.now:
                text += b": the running job is given back"
            elif self.busy:
                text += b" when the running job has finished; a second signal gives it back at once"
            os.write(2, text + b"\n")  # print and logging may be in the middle of a line

    def _watch(self, times: StopTimes) -> None:
        """Makes the requests at their times."""
        if self._sleep_until(times.no_job_after):
            self.count = max(self.count, 1)
            log.warning("the batch job ends at %s: no further job is claimed", times.shown_end)
        if self._sleep_until(times.give_back_at):
            self.count = max(self.count, 2)
            log.warning("the batch job ends at %s: the running job is given back", times.shown_end)
            with self._leaving:
                if self._before and not self._left.is_set():
                    # A signal is the only way to interrupt a function that runs in the main thread.
                    self._planned = True
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _sleep_until(self, at: float) -> bool:
        """Sleeps until that time of time.time(); False if the worker ended before."""
        while (left_s := at - time.time()) > 0:
            if self._left.wait(min(left_s, CLOCK_CHECK_S)):
                return False
        return not self._left.is_set()
