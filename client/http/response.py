"""One response of a server: its JSON, the error it reports, or the discovery that it is not a job server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests

from ..errors import ClientError, NotAJobServer, refused
from .failures import printable
from .limits import read_body

MESSAGE_CHARACTERS = 500
CLOCKS_AGREE_S = 2.0  # the Date header has whole seconds: smaller differences cannot be seen

# What a decoder raises for JSON of another shape than the protocol's: 1e400 is an OverflowError.
WRONG_SHAPE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)
UNREADABLE = object()

T = TypeVar("T")


@dataclass(frozen=True)
class Decoded:
    """The JSON of a successful response. now: the server's clock, UTC, when it responded."""

    value: Any
    now: datetime
    shown_url: str

    def into(self, decode: Callable[[Any, datetime], T]) -> T:
        """The value as a type of ours. Raises NotAJobServer if it does not follow the protocol."""
        try:
            return decode(self.value, self.now)
        except WRONG_SHAPE as problem:
            raise NotAJobServer(
                f"{self.shown_url} sent a response that this client cannot read ({type(problem).__name__}): "
                "is it a job server of the same version?"
            ) from problem


class Response:
    """A response whose body was read, within the limits of `limits`."""

    def __init__(self, response: requests.Response, shown_url: str) -> None:
        self.status = response.status_code
        self._headers = response.headers
        self._shown_url = shown_url
        if self._is_redirect:
            body = b""
            response.close()
        else:
            body = read_body(response, shown_url)
        self._too_deep = False
        try:
            self._value = json.loads(body)
        except ValueError:
            self._value = UNREADABLE
        except RecursionError:
            self._value, self._too_deep = UNREADABLE, True
        self._is_object = body.lstrip().startswith(b"{")

    @property
    def _is_redirect(self) -> bool:
        return 300 <= self.status < 400

    @property
    def lost_behind_proxy(self) -> bool:
        """True for a 500 of a web server in front of the job server, whose process died during the request."""
        return self.status == 500 and not self._is_object

    def decoded(self, without_secret: Callable[[str], str]) -> Decoded:
        """The JSON of status 200. Raises the error that the server reports, or NotAJobServer."""
        if self.status == 200 and self._value is not UNREADABLE and self._value is not None:
            return Decoded(self._value, self._server_now(), self._shown_url)
        raise self._error(without_secret)

    def temporary_failure(self) -> str:
        """Describes a status after which a retry makes sense, with the server's message if there is one."""
        try:
            message = str(self._value["message"])[:MESSAGE_CHARACTERS]
        except (TypeError, KeyError, IndexError):
            return f"status {self.status}"
        return f"status {self.status}: {printable(message, keep='').rstrip('.')}"

    def retry_after_s(self) -> float:
        """The Retry-After header, in seconds or as a date; 0 if it is absent or unreadable."""
        text = self._headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdecimal():
            return float(text)
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._server_now()).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return 0.0

    def _error(self, without_secret: Callable[[str], str]) -> ClientError:
        value, status, url = self._value, self.status, self._shown_url
        if self._is_redirect:
            # Without its query, which may hold a secret of a sign-in page.
            target = printable(self._headers.get("Location", "nowhere").partition("?")[0], keep="")
            return NotAJobServer(f"{url} redirects to {target}: give the URL of the server itself")
        if self._too_deep:
            return NotAJobServer(f"{url} sent JSON that is nested too deeply: is it a job server?")
        if status >= 400 and isinstance(value, dict) and "error" in value and not self._no_such_route():
            message = printable(without_secret(str(value.get("message") or value["error"])), keep="\n")
            return refused(status, printable(str(value["error"]), keep=""), message)
        return NotAJobServer(f"{url} sent status {status}, and not as a job server does: is the URL right?")

    def _no_such_route(self) -> bool:
        """True for the 404 of an address that no job server has, below a wrong path for example."""
        return self.status == 404 and isinstance(self._value, dict) and self._value["error"] != "no_such_job"

    def _server_now(self) -> datetime:
        """The server's clock: ours, unless the Date header shows that they disagree. Deadlines are in its time."""
        ours = datetime.now(timezone.utc)
        try:
            theirs = parsedate_to_datetime(self._headers["Date"])
            return theirs if abs(theirs - ours) > timedelta(seconds=CLOCKS_AGREE_S) else ours
        except (KeyError, ValueError, TypeError, OverflowError):
            return ours
