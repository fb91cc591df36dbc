"""When to send a request again, and the tokens that make it safe to do so."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import ClaimSpent, ServerUnreachable
from .failures import format_seconds

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S = 0.2  # a restarted server is back in a second
LONGEST_PAUSE_S = 20.0
LONGEST_RETRY_AFTER_S = 60.0  # whatever a server requests


class Retries:
    """The retries of one request, within `retry_for_s` of its first failure."""

    def __init__(self, shown_url: str, retry_for_s: float) -> None:
        self._shown_url = shown_url
        self._retry_for_s = retry_for_s
        self._give_up_at: float | None = None
        self._pause_s = FIRST_PAUSE_S

    def wait(self, failure: str, after_s: float) -> None:
        """Sleeps before the next try, at least `after_s` (at most 60 s). Raises ServerUnreachable if it is too late."""
        after_s = min(after_s, LONGEST_RETRY_AFTER_S)
        now = time.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + self._retry_for_s
            if self._retry_for_s > 0:
                log.warning("%s: %s; retrying for %s", self._shown_url, failure, format_seconds(self._retry_for_s))
        if now + after_s >= self._give_up_at:
            raise ServerUnreachable(
                f"{self._shown_url} could not be reached for {format_seconds(self._retry_for_s)} ({failure}): "
                "is the server running, and is the URL right?"
            )
        # Full jitter: a thousand workers that lost the same server do not come back at the same moment.
        time.sleep(min(after_s + random.uniform(0, self._pause_s), self._give_up_at - now))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def end(self) -> None:
        """Logs that the server can be reached again, if it could not."""
        if self._give_up_at is not None:
            log.warning("%s: connected again", self._shown_url)


def new_token() -> str:
    """A claim token, 32 hex digits: 12 of the time in ms, so that tokens of the same time are neighbours in an index,
    then 20 random ones."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def with_fresh_token(send: Callable[[str], T]) -> T:
    """Sends with a new token; with another one if the claim under the first ended while its response was delayed."""
    try:
        return send(new_token())
    except ClaimSpent:
        return send(new_token())
