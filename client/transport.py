"""One request, sent until it is answered: what is tried again, when, and for how long."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from .errors import AnswerLost, BadAddress, BadJobix, ServerUnreachable, UntrustedServer
from .response import Answer, read, refusal, retry_after_s, was_lost_on_the_way
from .troubles import in_words, last_cause, never_sent, seconds, speaks_no_tls

log = logging.getLogger(__name__)

LARGEST_ID = 2**63 - 1
CONNECT_TIMEOUT_S = 10.0
FIRST_PAUSE_S = 0.2  # a restarted server is back in a second
LONGEST_PAUSE_S = 20.0
SECRET_DIGITS = 8  # "5" would be taken out of "job 5"
NOT_HANDLED = {429, 503}  # the server says that it did nothing
AGAIN = NOT_HANDLED | {502, 504}  # and a proxy can't know
LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


def shown(url: str) -> str:
    """The URL without the user:password@ that it may carry."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def identity(jobix: int, worker: str) -> dict[str, str]:
    """The headers that say who asks: the list's secret, 0 to 2^63-1, and the worker's name."""
    if isinstance(jobix, str):
        raise BadJobix("the jobix must be a whole number, and this is text: use int(…)")
    if not isinstance(jobix, int) or isinstance(jobix, bool) or not 0 <= jobix <= LARGEST_ID:
        raise BadJobix("the jobix must be a whole number from 0 to 2^63-1")
    if not (worker.isascii() and worker.isprintable()):
        raise ValueError("worker must be printable ASCII: it is sent as a header")
    return {"jobix": str(jobix), "worker": worker.strip(), "Accept": "application/json"}


class Transport:
    """Sends requests to one server, with one secret, over connections that stay open."""

    def __init__(
        self, url: str, headers: Mapping[str, str], ca_file: str | None, timeout_s: float, retry_for_s: float
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise BadAddress("the URL must look like http://127.0.0.1:5000 or https://host/path")
        if ca_file is not None and not os.path.exists(ca_file):
            raise BadAddress(f"the CA file {ca_file} isn't there: name a PEM file or a folder of them")
        self._url = url.rstrip("/")
        self.shown_url = shown(url)
        self._headers = dict(headers)
        self._ca_file = ca_file
        self.timeout_s = timeout_s
        self.retry_for_s = retry_for_s
        self._session = requests.Session()

    def another(self, *, timeout_s: float, retry_for_s: float) -> Transport:
        """The same with connections of its own, for another thread."""
        return Transport(self._url, self._headers, self._ca_file, timeout_s, retry_for_s)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int | float] | None = None,
        body: bytes | None = None,
        wait_s: float = 0.0,
        repeatable: bool = True,
    ) -> Answer:
        """The server's answer, after as many tries as it takes within `retry_for_s` of the first failure.

        wait_s: how long the server may think about it. repeatable: False when doing it twice could do harm.
        Raises what errors.py says.
        """
        give_up_at = None
        pause_s = FIRST_PAUSE_S
        while True:
            after_s = 0.0
            try:
                response = self._send(method, path, headers, params, body, wait_s)
            except LOST as problem:
                handled = not never_sent(problem)
                trouble = in_words(problem)
            else:
                if response.status_code not in AGAIN and not was_lost_on_the_way(response):
                    return read(response, self.shown_url, self.without_secret)
                handled = response.status_code not in NOT_HANDLED
                trouble = self.without_secret(refusal(response))
                after_s = retry_after_s(response)
            if handled and not repeatable:
                raise AnswerLost(
                    f"{self.shown_url} did not answer ({trouble}): it may or may not have been done. "
                    "Look, and give the claim next time, so that it can be asked again"
                )
            now = time.monotonic()
            if give_up_at is None:
                give_up_at = now + self.retry_for_s
                if self.retry_for_s > 0:
                    log.warning("%s: %s; trying again for %s", self.shown_url, trouble, seconds(self.retry_for_s))
            if now + after_s >= give_up_at:
                raise ServerUnreachable(
                    f"{self.shown_url} is out of reach, {seconds(self.retry_for_s)} long ({trouble}): "
                    "is the server running, and the URL right?"
                )
            # Full jitter: a thousand workers that lost the same server don't come back in the same moment.
            time.sleep(min(after_s + random.uniform(0, pause_s), give_up_at - now))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str | int | float] | None,
        body: bytes | None,
        wait_s: float,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self._url + path,
                headers={**self._headers, **(headers or {})},
                params=params,
                data=body,
                timeout=(min(CONNECT_TIMEOUT_S, self.timeout_s), self.timeout_s + wait_s),
                verify=self._ca_file or True,
                allow_redirects=False,  # requests would carry the jobix along, to whatever host
            )
        except requests.exceptions.SSLError as problem:
            if "EOF" in str(problem):  # a server that went away in the handshake: try again
                raise requests.exceptions.ConnectionError("connection lost") from problem
            if speaks_no_tls(problem):
                raise UntrustedServer(
                    f"{self.shown_url} does not speak TLS: is it http:// that the URL begins with?"
                ) from problem
            raise UntrustedServer(
                f"no trusted TLS connection to {self.shown_url}: where the server has a certificate of its own, "
                f"give its authority as CA file ({last_cause(problem)})"
            ) from problem
        except (requests.exceptions.InvalidURL, UnicodeError) as problem:
            raise BadAddress(f"{self.shown_url} isn't a URL that can be asked: {problem}") from problem

    def without_secret(self, text: str) -> str:
        """`text` without the jobix, should it have got there. One that is too short to be secret stays."""
        secret = self._headers["jobix"]
        return text.replace(secret, "…") if len(secret) >= SECRET_DIGITS else text
