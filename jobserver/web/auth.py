"""Which list a request is about: by its header jobix."""

import logging

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from jobserver.core.errors import JobixUnknown, NoSuchJob, TooManyWrongSecrets
from jobserver.core.lists import JobList
from jobserver.web import parsing
from jobserver.web.request import Call

MOST_TRUSTED = 10_000
_trusted: set[tuple[str | None, str]] = set()
SHORTEST = 2**40
GUESSES = RateLimitItemPerMinute(300)  # different unknown secrets from one address, on an open server
_right: set[tuple[str | None, int]] = set()  # addresses, and secrets of lists that they sent
_unknown: set[tuple[str | None, int]] = set()
_short: set[tuple[str | None, int]] = set()
_guesses = FixedWindowRateLimiter(MemoryStorage())
log = logging.getLogger("jobserver")
_wrong = FixedWindowRateLimiter(MemoryStorage())


def secret(call: Call) -> int:
    """The request's jobix; JobixUnknown where the server is closed and no list has it."""
    number = parsing.jobix(call.header("jobix"))
    _warn_if_short(call, number)
    if not call.services.settings.open:
        _require_known(call, number)
    return number


def found(call: Call, number: int) -> JobList | None:
    """Returns the list of that secret; None where an open server has none yet. TooManyWrongSecrets for an address that
    tries many different unknown secrets; one that waits for its list to be created counts once."""
    keys = call.services.keys
    if not call.services.settings.open or (call.address, number) in _right:
        return keys.known.get(number) or keys.look_up(number)
    address = call.address or "unknown"
    if not _guesses.test(GUESSES, address):
        raise TooManyWrongSecrets("Too many unknown secrets from this address. Wait a minute, and check the jobix.")
    job_list = keys.known.get(number) or keys.look_up(number)
    if job_list is not None:
        _remember(_right, (call.address, number))
    elif (call.address, number) not in _unknown:
        _remember(_unknown, (call.address, number))
        _guesses.hit(GUESSES, address)
        log.warning("a jobix of no list was sent from %s", address)
    return job_list


def _remember(known: set[tuple[str | None, int]], pair: tuple[str | None, int]) -> None:
    if len(known) >= MOST_TRUSTED:
        known.clear()
    known.add(pair)


def _warn_if_short(call: Call, number: int) -> None:
    if number < SHORTEST and (None, number) not in _short:
        _remember(_short, (None, number))
        log.warning(
            "a jobix from %s is short and can be guessed: choose a random number above 2^40 (jm init does)",
            call.address or "unknown",
        )


def found_for_job(call: Call, number: int, jobid: int) -> JobList:
    """The list of that secret, for a request about one of its jobs."""
    job_list = found(call, number)
    if job_list is None:
        raise NoSuchJob(f"This list has no job {jobid}: it has none at all yet.")
    return job_list


def require_patience(call: Call) -> None:
    """TooManyWrongSecrets for an address that sent too many unknown secrets within this minute: guessing is slow."""
    if not _wrong.test(_bound(call), call.address or "unknown"):
        raise TooManyWrongSecrets("Too many wrong secrets from this address. Wait a minute, and check the jobix.")


def count_wrong(call: Call) -> None:
    """Notes that the address sent one."""
    _wrong.hit(_bound(call), call.address or "unknown")


def _bound(call: Call) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(call.services.settings.wrong_secrets_per_minute)


def _require_known(call: Call, number: int) -> None:
    # Who was right before from that address goes on, whoever else guesses there: a cluster may have one address.
    trusted = (call.address, call.services.keys.hash(number))
    if trusted in _trusted:
        return
    require_patience(call)
    if call.services.keys.find(number) is not None:
        if len(_trusted) >= MOST_TRUSTED:
            _trusted.clear()
        _trusted.add(trusted)
    else:
        count_wrong(call)
        log.warning("a jobix of no list was sent from %s", call.address or "unknown")
        raise JobixUnknown("No list has this jobix, and this server is closed to new ones: ask whoever runs it.")
