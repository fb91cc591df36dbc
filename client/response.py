"""One response of a server: its answer, its refusal, or the discovery that it is no job server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests

from .errors import NotAJobServer, refused

MESSAGE_CHARACTERS = 500
CLOCKS_AGREE_S = 2.0  # the Date header has whole seconds: finer differences can't be told from none

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """`value`: the JSON; `now`: the server's clock, UTC, when it answered; `url`: where from, to be shown."""

    value: Any
    now: datetime
    url: str

    def told(self, read: Callable[[Any, datetime], T]) -> T:
        """The answer, read. One with other keys than the protocol's comes from something that isn't a job server."""
        try:
            return read(self.value, self.now)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise NotAJobServer(
                f"{self.url} answers what this client can't read ({type(problem).__name__}): "
                "is it a job server, and of this version?"
            ) from problem


def was_lost_on_the_way(response: requests.Response) -> bool:
    """True for a 500 that the server didn't write: a web server before it, whose process for it died in the middle."""
    return response.status_code == 500 and not response.content.lstrip().startswith(b"{")


def read(response: requests.Response, shown_url: str, without_secret: Callable[[str], str]) -> Answer:
    """What the server at `shown_url` answered; raises NotAJobServer, or what it refused with."""
    status = response.status_code
    if 300 <= status < 400:
        # Not the query of it: who knows what a login page is handed.
        target = response.headers.get("Location", "nowhere").partition("?")[0]
        raise NotAJobServer(f"{shown_url} sends elsewhere, to {target}: give the URL of the server itself")
    try:
        value = json.loads(response.content)
    except ValueError:
        value = None
    if status == 200 and value is not None:
        return Answer(value, _server_now(response), shown_url)
    if status >= 400 and isinstance(value, dict) and "error" in value and not _no_such_route(status, value):
        raise refused(status, str(value["error"]), without_secret(str(value.get("message") or value["error"])))
    raise NotAJobServer(f"{shown_url} answers {status}, and not as a job server does: is the URL right?")


def refusal(response: requests.Response) -> str:
    """A refusal that may pass, in words, with the server's own where it has any."""
    try:
        message = json.loads(response.content)["message"]
    except (ValueError, TypeError, KeyError):
        return f"it answers {response.status_code}"
    return f"it answers {response.status_code}: {str(message)[:MESSAGE_CHARACTERS].rstrip('.')}"


def _no_such_route(status: int, value: dict[str, Any]) -> bool:
    """True for the 404 of an address that no job server has, below a wrong path for example."""
    return status == 404 and value["error"] != "no_such_job"


def retry_after_s(response: requests.Response) -> float:
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
