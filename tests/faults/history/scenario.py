"""The scenarios of a run: its list, and the styles of its workers."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.faults.history.client_styles import CLIENT_STYLES
from tests.faults.history.styles import (
    CHECKING,
    DRAINING,
    HONEST,
    LIFETIME_S,
    MAX_ATTEMPTS,
    REPLICATING,
    STYLES,
    Style,
)  # fmt: skip

NAME = "history"


@dataclass(frozen=True)
class Scenario:
    """`styles`: of the workers. `has_lifetimes`: else only leases bring jobs back. `rules`: of both working stages.
    `hosts`: the number of different hosts in the names of the workers; 0: names without a host. `draining`: the style
    and number of the workers that do the remaining jobs. `runs_clients`: the workers run the client's own Worker."""

    styles: Iterable[str]
    has_lifetimes: bool = True
    rules: dict[str, Any] = field(default_factory=dict)
    hosts: int = 0
    draining: Style = DRAINING
    drainers: int = 2
    runs_clients: bool = False

    def make_list(self, url: str, jobix: int) -> None:
        """Makes the list of the run."""
        paths = [f"/init/0/{'1/0/1' if self.has_lifetimes else '0/0/0'}/0?name={NAME}", *self._lifetimes()]
        for path in paths:
            call(url, jobix, path)
        for stage in LIFETIME_S if self.rules else ():
            call(url, jobix, f"/rules/{stage}", self.rules)

    def _lifetimes(self) -> Iterator[str]:
        for stage, seconds in LIFETIME_S.items():
            requeue = f"requeue={stage - 1}&" if self.has_lifetimes else ""
            minutes = seconds / 60 if self.has_lifetimes else 0
            yield f"/lifetime/{stage}/{minutes}?{requeue}max_attempts={MAX_ATTEMPTS}"


RETRY = Retry(5, status_forcelist=[503], allowed_methods=None, backoff_factor=0.1)


def call(url: str, jobix: int, path: str, body: Any = None) -> None:
    """Sends a request that must succeed, if need be after some retries: a server that recovers may respond with 503."""
    data = None if body is None else json.dumps(body)
    method = "GET" if body is None else "POST"
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=RETRY))
        session.request(method, url + path, data=data, headers={"jobix": str(jobix)}, timeout=20).raise_for_status()


SCENARIOS = {
    "mixed": Scenario(STYLES),
    "leases": Scenario([name for name, style in STYLES.items() if style.lease_s], has_lifetimes=False),
    "clients": Scenario([*CLIENT_STYLES] * 2, has_lifetimes=False, runs_clients=True),
    "checks": Scenario(CHECKING, rules={"check": {"command": "true"}}),
    "replication": Scenario(
        REPLICATING, rules={"replication": {"results": 2, "adaptive": False}}, hosts=8,
        draining=replace(HONEST, batch_size=10), drainers=8,
    ),
}  # fmt: skip
ALL_STYLES = STYLES | CHECKING | REPLICATING
