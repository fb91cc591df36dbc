"""What is done when one job of a batch takes long: the others don't wait for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from .batch import Batch, Told

log = logging.getLogger("client.worker")

AFTER_S = 2.0  # twice what a batch should take


class Relief:
    """While it is entered: once a batch has taken too long, `tell` gets what has ended, and what has not begun, from a
    thread of its own. The running job stays. problem: what `tell` raised, when it is left."""

    def __init__(self, batch: Batch, tell: Callable[[Told], object]) -> None:
        self._batch = batch
        self._tell = tell
        self.problem: BaseException | None = None
        self._timer = threading.Timer(AFTER_S, self._relieve)
        self._timer.daemon = True

    def __enter__(self) -> Relief:
        if self._batch.waits:
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()

    def _relieve(self) -> None:
        try:
            self._tell(self._batch.take())
        except BaseException as problem:
            log.error("%s", problem)  # now: the running job may take long
            self.problem = problem
