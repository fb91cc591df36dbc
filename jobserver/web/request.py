"""A request: whether its host is allowed; its headers, parameters and body; the list of its key."""

import logging
import socket
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import IO, Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from werkzeug.wsgi import get_input_stream

from jobserver.core.errors import HostNotAllowed, JobixUnknown, NoSuchJob, TooManyWrongSecrets
from jobserver.core.hosts import EVERY_HOST, AllowedHosts, split
from jobserver.core.lists import JobList
from jobserver.core.settings import Settings
from jobserver.web import parameters, parsing
from jobserver.web.responses import encode
from jobserver.web.services import Services

MOST_REMEMBERED = 10_000  # pairs of address and key in each of the sets below
SHORTEST_KEY = 2**40  # a lower jobix can be guessed
GUESSES = RateLimitItemPerMinute(300)  # different unknown keys from one address, on an open server
Pair = tuple[str | None, int]  # the address of a client, and a jobix that it sent
_valid: set[Pair] = set()
_unknown: set[Pair] = set()
_short: set[Pair] = set()
_guesses = FixedWindowRateLimiter(MemoryStorage())
_wrong = FixedWindowRateLimiter(MemoryStorage())
log = logging.getLogger("jobserver")


def allowed_hosts(settings: Settings, is_own_server: bool) -> AllowedHosts:
    """Returns the hosts of the setting, else this machine's names. Behind another web server, which has its own
    names, only the setting restricts them."""
    if settings.allowed_hosts:
        return AllowedHosts(split(settings.allowed_hosts))
    if not is_own_server:
        return AllowedHosts([EVERY_HOST])
    return AllowedHosts([settings.host, socket.gethostname(), socket.getfqdn()])


class HostGuard:
    """WSGI middleware before every request: 403 for a host that is not allowed, because a web page may point a name of
    its own at this server (DNS rebinding). HTTP/1.0 requests may have no Host header."""

    def __init__(self, app: Callable[..., Any], hosts: AllowedHosts) -> None:
        self._app = app
        self._allows = hosts.allows

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        host = environ.get("HTTP_HOST")
        if host is not None and not self._allows(host):
            error = HostNotAllowed(
                f"This server does not answer for the host name {host[:100]!r}. If that is one of its names, add it to"
                " the server's setting JOBSERVER_ALLOWED_HOSTS."
            )
            body = encode({"error": error.code, "message": str(error)})
            headers = {
                "Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff", "Connection": "close",
            }  # fmt: skip
            start_response("403 Forbidden", list(headers.items()))
            return [body]
        return self._app(environ, start_response)


@lru_cache
def _environ_key(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"


class Call:
    """A request, and the parts of the server that handle it."""

    def __init__(self, environ: dict[str, Any], services: Services) -> None:
        self.environ = environ
        self.services = services

    def header(self, name: str) -> str | None:
        """Returns a header, in WSGI's Latin-1."""
        value: str | None = self.environ.get(_environ_key(name))
        return value

    @property
    def args(self) -> Mapping[str, str]:
        """The parameters of the query; the first value of a repeated one."""
        return parameters.parse(self.query)

    @property
    def query(self) -> str:
        """The query of the URL, as it was sent."""
        query: str = self.environ.get("QUERY_STRING") or ""
        return query

    @property
    def has_body(self) -> bool:
        """Whether the request may have a body."""
        return self.environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in self.environ

    @property
    def stream(self) -> IO[bytes]:
        """The body as a stream."""
        return get_input_stream(self.environ)

    @property
    def max_bytes(self) -> int:
        """The largest size of the body after inflation."""
        return self.services.settings.max_body_mb * 1_000_000

    @property
    def address(self) -> str | None:
        """The address of the client."""
        address: str | None = self.environ.get("REMOTE_ADDR")
        return address


def jobix_of(call: Call) -> int:
    """Parses the header jobix; JobixUnknown if the server is closed and no list has this key."""
    number = parsing.jobix(call.header("jobix"))
    _warn_if_short(call, number)
    if not call.services.settings.open:
        _require_known(call, number)
    return number


def job_list_of(call: Call, number: int) -> JobList | None:
    """Returns the list of that key; None if an open server has none yet. TooManyWrongSecrets for an address that sends
    many different unknown keys; a worker that polls until its list is created counts once."""
    keys = call.services.keys
    if not call.services.settings.open or (call.address, number) in _valid:
        return keys.known.get(number) or keys.look_up(number)
    address = call.address or "unknown"
    if not _guesses.test(GUESSES, address):
        raise TooManyWrongSecrets("Too many unknown keys from this address. Wait a minute, and check the jobix.")
    known = keys.known.get(number) or keys.look_up(number)
    if known is not None:
        _remember(_valid, (call.address, number))
    elif (call.address, number) not in _unknown:
        _remember(_unknown, (call.address, number))
        _guesses.hit(GUESSES, address)
        log.warning("a jobix of no list was sent from %s", address)
    return known


def _remember(known: set[Pair], pair: Pair) -> None:
    if len(known) >= MOST_REMEMBERED:
        known.clear()
    known.add(pair)


def _warn_if_short(call: Call, number: int) -> None:
    if number < SHORTEST_KEY and (None, number) not in _short:
        _remember(_short, (None, number))
        log.warning(
            "a jobix from %s is short and can be guessed: choose a random number above 2^40 (jm init does)",
            call.address or "unknown",
        )


def job_list_of_job(call: Call, number: int, jobid: int) -> JobList:
    """Returns the list of that key, for a request about one of its jobs; NoSuchJob if there is no list."""
    known = job_list_of(call, number)
    if known is None:
        raise NoSuchJob(f"This list has no job {jobid}: it is empty.")
    return known


def require_guess_allowed(call: Call) -> None:
    """Raises TooManyWrongSecrets for an address that sent too many wrong keys within a minute."""
    if not _wrong.test(_bound(call), call.address or "unknown"):
        raise TooManyWrongSecrets("Too many wrong keys from this address. Wait a minute, and check the jobix.")


def count_wrong(call: Call) -> None:
    """Counts a wrong key of this address."""
    _wrong.hit(_bound(call), call.address or "unknown")


def _bound(call: Call) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(call.services.settings.wrong_secrets_per_minute)


def _require_known(call: Call, number: int) -> None:
    # Clients that sent a valid key earlier skip the rate limit: a whole cluster may have one address.
    pair = (call.address, number)
    if pair in _valid:
        return
    require_guess_allowed(call)
    if call.services.keys.find(number) is None:
        count_wrong(call)
        log.warning("a jobix of no list was sent from %s", call.address or "unknown")
        raise JobixUnknown("No list has this jobix, and this server accepts no new lists: ask its administrator.")
    _remember(_valid, pair)
