"""The query parameters of the worker protocol, and the routes that accept each of them."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import parse_qsl

from jobserver.core.errors import BadRequest

_CLAIM = "/get/<stage>"
_UPDATE = "/update_job/<jobid>/<next_stage>"
_UPDATES = "/update_jobs"
_SET_LIFETIME = "/lifetime/<stage>/<value>"
_ACCEPTED_BY: dict[str, tuple[str, ...]] = {
    "wait": (_CLAIM, "/heartbeat"),
    "n": (_CLAIM, _UPDATES),
    "lease_s": (_CLAIM, _UPDATE, _UPDATES),
    "next": (_UPDATE, _UPDATES),
    "name": ("/init",),
    "requeue": (_SET_LIFETIME,),
    "max_attempts": (_SET_LIFETIME,),
    "backoff_s": (_SET_LIFETIME,),
    "retry_for_s": (_SET_LIFETIME,),
}  # fmt: skip


@lru_cache(256)  # a worker sends the same query with each request
def parse(query: str) -> Mapping[str, str]:
    """Parses the query of a URL; the first value of a repeated parameter."""
    pairs = parse_qsl(query.encode("latin-1").decode(errors="replace"), keep_blank_values=True)
    return MappingProxyType(dict(reversed(pairs)))


@lru_cache(256)
def require_accepted(route: str, query: str) -> None:
    """Raises BadRequest for a parameter that belongs to other routes than this one. Parameters that no route knows are
    ignored."""
    for name in parse(query):
        routes = _ACCEPTED_BY.get(name, (route,))
        if route not in routes:
            raise BadRequest(f"{name} is a parameter of {' and '.join(routes)}, not of {route}.")
