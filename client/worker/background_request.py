"""A request in a thread of its own, so that a signal can end the wait for its response."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import ClientError

T = TypeVar("T")

POLL_S = 0.1  # how soon a signal is noticed; a signal handler cannot safely wake a thread that waits for a lock


class BackgroundRequest(Generic[T]):
    """Calls `send` at once, in a daemon thread. `late` gets the response if it arrives after `abandon`."""

    def __init__(self, send: Callable[[], T], late: Callable[[T], object]) -> None:
        self._send = send
        self._late = late
        self._lock = threading.Lock()
        self._abandoned = False
        self._responses: list[T] = []
        self._problem: BaseException | None = None
        self._finished = threading.Event()
        threading.Thread(target=self._run, name="request", daemon=True).start()

    def done(self) -> bool:
        """Waits 0.1 s at most; True as soon as there is a response or an error."""
        return self._finished.wait(POLL_S)

    def response(self) -> T:
        """The response, once done. Raises the error of the request."""
        if self._problem is not None:
            raise self._problem
        return self._responses[0]

    def abandon(self) -> bool:
        """From now on a response goes to `late`. False if it has arrived already."""
        with self._lock:
            self._abandoned = not self._finished.is_set()
            return self._abandoned

    def _run(self) -> None:
        try:
            self._responses.append(self._send())
        except BaseException as problem:
            self._problem = problem
        with self._lock:
            self._finished.set()
            abandoned = self._abandoned
        if abandoned and self._responses:
            with contextlib.suppress(ClientError):  # the worker has ended: nobody could use the error
                self._late(self._responses[0])
