"""Retries a request until it has a response, and maps failures to errors."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from ..errors import BadAddress, BadJobix, ResponseLost, UntrustedServer
from .failures import CONNECTION_FAILURES, describe, never_sent, printable, root_cause, speaks_no_tls
from .limits import LimitedSession
from .response import Decoded, Response
from .retries import Retries

LARGEST_ID = 2**63 - 1
CONNECT_TIMEOUT_S = 10.0
PAGES = "get|lifetime|workers"  # a person may copy the address of a page instead of that of the server
LIST_KEY_DIGITS = 20
SECRET_DIGITS = 8  # a shorter one, such as 5, would be removed from "job 5"
NOT_HANDLED = {429, 503}  # the server states that it did nothing
RETRIED = NOT_HANDLED | {502, 504}  # a proxy does not know whether the server handled the request


def without_password(url: str) -> str:
    """The URL without the user:password@ that it may have."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def identity(jobix: int, worker: str) -> dict[str, str]:
    """The headers that identify the sender: the list's secret key, 0 to 2^63-1, and the worker's name."""
    if isinstance(jobix, str):
        raise BadJobix("the jobix must be a whole number, not text: use int(…)")
    if not isinstance(jobix, int) or isinstance(jobix, bool) or not 0 <= jobix <= LARGEST_ID:
        raise BadJobix("the jobix must be a whole number from 0 to 2^63-1")
    if not (worker.isascii() and worker.isprintable()):
        raise ValueError("worker must be printable ASCII: it is sent as a header")
    return {"jobix": str(jobix), "worker": worker.strip()}


def _check_ca_file(path: str) -> None:
    """Raises BadAddress for a file without certificates. A folder of them is read by the TLS library only."""
    if not os.path.exists(path):
        raise BadAddress(f"the CA file {path} does not exist: name a PEM file or a folder of them")
    if os.path.isdir(path):
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as problem:
        raise BadAddress(f"the CA file {path} contains no PEM certificate") from problem
    except OSError as problem:
        raise BadAddress(f"the CA file {path} cannot be read ({problem.strerror})") from problem


class Transport:
    """Sends requests to one server, with one secret key, over connections that stay open."""

    def __init__(
        self, url: str, headers: Mapping[str, str], ca_file: str | None, timeout_s: float, retry_for_s: float
    ) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and parts.hostname
        except ValueError:  # [ without ]
            valid = False
        if not valid:
            raise BadAddress("the URL must look like http://127.0.0.1:5000 or https://host/path")
        of_page = re.search(f"/({PAGES})/?([?#].*)?$|[?#].*$", url)
        if of_page:
            raise BadAddress(f"give the URL of the server, without {printable(of_page[0], keep='')}")
        if ca_file is not None:
            _check_ca_file(ca_file)
        self._url = url.rstrip("/")
        self.shown_url = without_password(url)
        self._headers = dict(headers)
        self._ca_file = ca_file
        self.timeout_s = timeout_s
        self.retry_for_s = retry_for_s
        self._session = LimitedSession()
        self._session.headers["Accept"] = "application/json"

    @property
    def list_key(self) -> str:
        """The same for each client of one list on one server. The secret key cannot be computed from it."""
        text = f"{without_password(self._url)}\n{self._headers['jobix']}"
        return hashlib.sha256(text.encode()).hexdigest()[:LIST_KEY_DIGITS]

    def with_options(self, *, timeout_s: float, retry_for_s: float) -> Transport:
        """Returns a copy with separate connections, for another thread."""
        return Transport(self._url, self._headers, self._ca_file, timeout_s, retry_for_s)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int | float] | None = None,
        body: bytes | None = None,
        wait_s: float = 0.0,
        repeatable: bool = True,
    ) -> Decoded:
        """The server's response, after as many tries as fit within `retry_for_s` of the first failure.

        wait_s: how long the server may hold the request, beside timeout_s. repeatable: False if handling it twice
        could do harm. Raises what errors.py lists.
        """
        retries = Retries(self.shown_url, self.retry_for_s)
        while True:
            after_s = 0.0
            try:
                response = self._send(method, path, headers, params, body, wait_s)
            except CONNECTION_FAILURES as problem:
                handled = not never_sent(problem)
                failure = describe(problem)
            else:
                if response.status not in RETRIED and not response.lost_behind_proxy:
                    retries.end()
                    return response.decoded(self.without_secret)
                handled = response.status not in NOT_HANDLED
                failure = self.without_secret(response.temporary_failure())
                after_s = response.retry_after_s()
            if handled and not repeatable:
                raise ResponseLost(
                    f"no response from {self.shown_url} ({failure}): the request may or may not have been handled. "
                    "Check the job, and give its claim next time, so that the request can be repeated"
                )
            retries.wait(failure, after_s)

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str | int | float] | None,
        body: bytes | None,
        wait_s: float,
    ) -> Response:
        try:
            response = self._session.request(
                method,
                self._url + path,
                headers={**self._headers, **(headers or {})},
                params=params,
                data=body,
                timeout=(min(CONNECT_TIMEOUT_S, self.timeout_s), self.timeout_s + wait_s),
                verify=self._ca_file or True,
                allow_redirects=False,
                stream=True,
            )
            return Response(response, self.shown_url)
        except requests.exceptions.SSLError as problem:
            if "EOF" in str(problem):  # the server went away during the handshake: try again
                raise requests.exceptions.ConnectionError("connection lost") from problem
            if speaks_no_tls(problem):
                raise UntrustedServer(
                    f"{self.shown_url} does not use TLS: should the URL begin with http://?"
                ) from problem
            raise UntrustedServer(
                f"no trusted TLS connection to {self.shown_url}: if the server has a private certificate, "
                f"give the certificate of its authority as CA file ({root_cause(problem)})"
            ) from problem
        except (requests.exceptions.InvalidURL, UnicodeError) as problem:
            raise BadAddress(f"{self.shown_url} is not a valid URL: {problem}") from problem

    def without_secret(self, text: str) -> str:
        """`text` with the jobix replaced by …. A jobix that is too short to be secret is not replaced."""
        secret = self._headers["jobix"]
        return text.replace(secret, "…") if len(secret) >= SECRET_DIGITS else text
