"""Classifies connection failures and describes them in a few words."""

from __future__ import annotations

import unicodedata

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError

# The connection broke or timed out, or the response was incomplete: the server may or may not have handled the request.
CONNECTION_FAILURES = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
INVISIBLE = {"Cc", "Cf", "Zl", "Zp"}  # control and formatting characters, such as ESC and a change of text direction


def never_sent(problem: Exception) -> bool:
    """True if no connection was made, so that the server cannot have handled the request."""
    timed_out = isinstance(problem, requests.exceptions.ConnectTimeout)
    return timed_out or isinstance(root_cause(problem), NewConnectionError)


def speaks_no_tls(problem: Exception) -> bool:
    """True if a plain HTTP server answered an https:// URL. OpenSSL then reports a wrong version."""
    return any(words in str(problem) for words in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"))


def root_cause(problem: BaseException) -> object:
    """The urllib3 error inside an error of requests."""
    cause: object = problem.args[0] if problem.args else problem
    return getattr(cause, "reason", None) or cause


def describe(problem: Exception) -> str:
    """The failure in a few words; the message of requests is long and repeats the address three times."""
    cause = root_cause(problem)
    if isinstance(problem, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(problem, requests.exceptions.Timeout):
        return "no response in time"
    if isinstance(cause, NameResolutionError):
        return "no such host"
    if isinstance(cause, NewConnectionError):
        return "connection refused" if "refused" in str(cause) else "no connection"
    return "connection lost"


def format_seconds(value: float) -> str:
    """Seconds with few digits: 300 s, 2 s, 0.4 s."""
    return f"{round(value, 1 if value >= 1 else 2):g} s"


def printable(text: str, keep: str = "\n\t") -> str:
    """`text` with each invisible character replaced by �, so that it cannot control a terminal."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in INVISIBLE and c not in keep else c for c in text)
