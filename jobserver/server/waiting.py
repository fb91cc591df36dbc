"""Waits in a server process: for the signal that ends it, then for the running requests."""

import signal
import time
from collections.abc import Callable
from typing import Any

from jobserver.core.concurrency import new_lock

_signals: list[int] = []  # received


def catch_signals() -> None:
    """Installs handlers: the first SIGINT or SIGTERM ends serve(), a second one ends the process at once."""

    def handler(number: int, _frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        _signals.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def wait_for_signal(failed: Callable[[], bool] = lambda: False) -> None:
    """Returns after SIGINT or SIGTERM, or when the server has failed. It polls, because an event loop may miss a
    signal."""
    while not _signals and not failed():
        time.sleep(0.1)


def is_websocket(environ: dict[str, Any]) -> bool:
    """Returns whether a request asks for a WebSocket."""
    return str(environ.get("HTTP_UPGRADE", "")).lower() == "websocket"


class RunningRequests:
    """WSGI middleware that counts the running requests, for servers that do not."""

    def __init__(self, app: Callable[..., Any]) -> None:
        from werkzeug.wsgi import ClosingIterator  # now: the server has patched the standard library

        self._app = app
        self._closing = ClosingIterator
        self._lock = new_lock()
        self._count = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if is_websocket(environ):
            return self._app(environ, start_response)  # not waited for: drain() ends it
        with self._lock:
            self._count += 1
        return self._closing(self._app(environ, start_response), self._ended)

    def _ended(self) -> None:
        with self._lock:
            self._count -= 1

    def wait(self, timeout_s: float) -> None:
        """Returns when no request is running, or after the timeout."""
        give_up = time.monotonic() + timeout_s
        while self._count > 0 and time.monotonic() < give_up:
            time.sleep(0.02)
        time.sleep(0.05)  # the last bytes of the last response
