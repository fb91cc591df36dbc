"""Connection: one server, one secret, one name; what all requests of a client share."""

from __future__ import annotations

import os
import socket
from typing import TypeVar

from .transport import Transport, identity

T = TypeVar("T", bound="Connection")


class Connection:
    """How to reach a job list; JobClient says what the arguments mean."""

    def __init__(
        self,
        url: str,
        jobix: int,
        *,
        worker: str | None = None,
        ca_file: str | None = None,
        timeout_s: float = 30.0,
        retry_for_s: float = 300.0,
    ) -> None:
        self.worker = f"{socket.gethostname()}:{os.getpid()}" if worker is None else worker
        self._transport = Transport(url, identity(jobix, self.worker), ca_file, timeout_s, retry_for_s)

    def __repr__(self) -> str:
        return f"JobClient({self._transport.shown_url!r}, worker={self.worker!r})"

    def another(self: T, *, timeout_s: float | None = None, retry_for_s: float | None = None) -> T:
        """The same client with connections, and perhaps patience, of its own."""
        twin = object.__new__(type(self))
        twin.worker = self.worker
        twin._transport = self._transport.another(
            timeout_s=self._transport.timeout_s if timeout_s is None else timeout_s,
            retry_for_s=self.retry_for_s if retry_for_s is None else retry_for_s,
        )
        return twin

    @property
    def retry_for_s(self) -> float:
        """How long to try again after a first failure."""
        return self._transport.retry_for_s

    @retry_for_s.setter
    def retry_for_s(self, seconds: float) -> None:
        """From the next request on."""
        self._transport.retry_for_s = seconds

    def without_secret(self, text: str) -> str:
        """`text` without the jobix in it: for what somebody else wrote and is about to be shown."""
        return self._transport.without_secret(text)
