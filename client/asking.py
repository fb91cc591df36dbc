"""A question to the server, asked in a thread of its own, so that whoever waits for the answer can still be stopped."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from .errors import ClientError

T = TypeVar("T")

LOOK_EVERY_S = 0.1  # how soon a signal is noticed; a signal handler can't safely wake a thread that waits on a lock


class Asking(Generic[T]):
    """Runs `ask` at once, in a daemon thread. `late` gets the answer if it comes after `abandon`."""

    def __init__(self, ask: Callable[[], T], late: Callable[[T], object]) -> None:
        self._ask = ask
        self._late = late
        self._lock = threading.Lock()
        self._abandoned = False
        self._answers: list[T] = []
        self._problem: BaseException | None = None
        self._finished = threading.Event()
        threading.Thread(target=self._run, name="asking", daemon=True).start()

    def done(self) -> bool:
        """Waits for a moment (0.1 s); True as soon as there is an answer or a problem."""
        return self._finished.wait(LOOK_EVERY_S)

    def answer(self) -> T:
        """The answer, once done; or the problem is raised."""
        if self._problem is not None:
            raise self._problem
        return self._answers[0]

    def abandon(self) -> bool:
        """From now on an answer goes to `late`. False when it has come already."""
        with self._lock:
            self._abandoned = not self._finished.is_set()
            return self._abandoned

    def _run(self) -> None:
        try:
            self._answers.append(self._ask())
        except BaseException as problem:
            self._problem = problem
        with self._lock:
            self._finished.set()
            abandoned = self._abandoned
        if abandoned and self._answers:
            with contextlib.suppress(ClientError):  # nobody is left to be told
                self._late(self._answers[0])
