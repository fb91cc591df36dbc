"""Which list a request is about: by its header jobix."""

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from jobserver.core.errors import JobixUnknown, NoSuchJob, TooManyWrongSecrets
from jobserver.core.lists import JobList
from jobserver.web import parsing
from jobserver.web.request import Call

MOST_TRUSTED = 10_000
_trusted: set[tuple[str | None, str]] = set()
_wrong = FixedWindowRateLimiter(MemoryStorage())


def secret(call: Call) -> int:
    """The request's jobix; JobixUnknown where the server is closed and no list has it."""
    number = parsing.jobix(call.header("jobix"))
    if not call.services.settings.open:
        _require_known(call, number)
    return number


def found(call: Call, number: int) -> JobList | None:
    """The list of that secret; None where an open server has none yet."""
    keys = call.services.keys
    return keys.known.get(number) or keys.look_up(number)


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
        raise JobixUnknown("No list has this jobix, and this server is closed to new ones: ask whoever runs it.")
