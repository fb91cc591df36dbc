"""What went wrong on the way to the server, told apart."""

from __future__ import annotations

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError


def never_sent(problem: Exception) -> bool:
    """True when there was no connection, so that the request surely did nothing."""
    timed_out = isinstance(problem, requests.exceptions.ConnectTimeout)
    return timed_out or isinstance(last_cause(problem), NewConnectionError)


def speaks_no_tls(problem: Exception) -> bool:
    """True when what answered an https:// is a plain HTTP server: OpenSSL takes its first words for a version."""
    return any(words in str(problem) for words in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"))


def last_cause(problem: BaseException) -> object:
    """What urllib3 says under the wrapping of requests."""
    cause: object = problem.args[0] if problem.args else problem
    return getattr(cause, "reason", None) or cause


def in_words(problem: Exception) -> str:
    """The failure in a few words, for a person; what requests says is long and repeats the address thrice."""
    cause = last_cause(problem)
    if isinstance(problem, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(problem, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(cause, NameResolutionError):
        return "no such host"
    if isinstance(cause, NewConnectionError):
        return "connection refused" if "refused" in str(cause) else "no connection"
    return "connection lost"


def seconds(value: float) -> str:
    """Seconds as a person would say them: 300 s, 2 s, 0.4 s."""
    return f"{round(value, 1 if value >= 1 else 2):g} s"
