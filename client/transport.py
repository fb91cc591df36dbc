"""One request, sent until it is answered: what is tried again, when, and for how long."""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from .errors import (
    AnswerLost,
    BadAddress,
    ClientError,
    NotAJobServer,
    ServerUnreachable,
    UntrustedServer,
    refused,
)
from .troubles import in_words, last_cause, never_sent

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
FIRST_PAUSE_S = 0.2  # a restarted server is back in a second
LONGEST_PAUSE_S = 20.0
CLOCKS_AGREE_S = 2.0  # the Date header has whole seconds: finer differences can't be told from none
SECRET_DIGITS = 8  # "5" would be taken out of "job 5"
NOT_HANDLED = {429, 503}  # the server says that it did nothing
AGAIN = NOT_HANDLED | {502, 504}  # and a proxy can't know
LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


@dataclass(frozen=True)
class Answer:
    """`value`: the JSON; `now`: the server's clock, UTC, when it answered."""

    value: Any
    now: datetime


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
        # What is shown never has the user:password@ that a URL may carry.
        self.shown_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
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
                if response.status_code not in AGAIN:
                    return self._read(response)
                handled = response.status_code not in NOT_HANDLED
                trouble = f"it answers {response.status_code}"
                after_s = _retry_after_s(response)
            if handled and not repeatable:
                raise AnswerLost(
                    f"{self.shown_url} did not answer ({trouble}): it may or may not have been done. "
                    "Look, and give the claim next time, so that it can be asked again"
                )
            now = time.monotonic()
            if give_up_at is None:
                give_up_at = now + self.retry_for_s
                if self.retry_for_s > 0:
                    log.warning("%s: %s; trying again for %g s", self.shown_url, trouble, self.retry_for_s)
            if now + after_s >= give_up_at:
                raise ServerUnreachable(
                    f"{self.shown_url} is out of reach, {self.retry_for_s:g} s long ({trouble}): "
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
            raise UntrustedServer(
                f"no trusted TLS connection to {self.shown_url}: where the server has a certificate of its own, "
                f"give its authority as CA file ({last_cause(problem)})"
            ) from problem
        except (requests.exceptions.InvalidURL, UnicodeError) as problem:
            raise BadAddress(f"{self.shown_url} isn't a URL that can be asked: {problem}") from problem

    def _read(self, response: requests.Response) -> Answer:
        status = response.status_code
        if 300 <= status < 400:
            # Not the query of it: who knows what a login page is handed.
            target = response.headers.get("Location", "nowhere").partition("?")[0]
            raise NotAJobServer(f"{self.shown_url} sends elsewhere, to {target}: give the URL of the server itself")
        try:
            value = json.loads(response.content)
        except ValueError:
            value = None
        if status == 200 and value is not None:
            return Answer(value, _server_now(response))
        if status >= 400 and isinstance(value, dict) and "error" in value and not _no_such_route(status, value):
            raise self._said_no(status, value)
        raise NotAJobServer(f"{self.shown_url} answers {status}, and not as a job server does: is the URL right?")

    def _said_no(self, status: int, value: dict[str, Any]) -> ClientError:
        message = str(value.get("message") or value["error"])
        return refused(status, str(value["error"]), self.without_secret(message))

    def without_secret(self, text: str) -> str:
        """`text` without the jobix, should it have got there. One that is too short to be secret stays."""
        secret = self._headers["jobix"]
        return text.replace(secret, "…") if len(secret) >= SECRET_DIGITS else text


def _no_such_route(status: int, value: dict[str, Any]) -> bool:
    """True for the 404 of an address that no job server has, below a wrong path for example."""
    return status == 404 and value["error"] != "no_such_job"


def _retry_after_s(response: requests.Response) -> float:
    """The Retry-After header, in seconds or as a date; 0 without one, or with one that can't be read."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - _server_now(response)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _server_now(response: requests.Response) -> datetime:
    """The server's clock: ours, unless the Date header says that the two disagree (deadlines are in its time)."""
    ours = datetime.now(timezone.utc)
    try:
        theirs = parsedate_to_datetime(response.headers["Date"])
        return theirs if abs(theirs - ours) > timedelta(seconds=CLOCKS_AGREE_S) else ours
    except (KeyError, ValueError, TypeError):
        return ours
