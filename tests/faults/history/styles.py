"""The styles of workers. A run mixes them."""

from dataclasses import dataclass
from typing import Literal

LIFETIME_S = {1: 0.8, 3: 1.0}  # of the two working stages; short, so that some claims expire


@dataclass(frozen=True)
class Style:
    """How a worker claims, works and reports.

    `tokens`: "none" sends no claim, as founding workers; "given" uses the server's tokens; "own" chooses its tokens and
    repeats every request without a response. `together`: jobs in each request. `follows`: claims by ?next=. `holds`:
    shortest and longest time of a job, in lifetimes. `gives_back`: the share of released jobs, from 0 to 1.
    """

    tokens: Literal["none", "given", "own"]
    together: int = 1
    follows: bool = False
    wait_s: float = 0
    holds: tuple[float, float] = (0, 0.02)
    beats: bool = False
    gives_back: float = 0


STYLES = {
    "founding": Style("none"),
    "choosing": Style("own", follows=True),
    "slow": Style("given", holds=(0.85, 1.35)),
    "batching": Style("own", together=5, follows=True, holds=(0, 0.2)),
    "giving back": Style("own", gives_back=0.4),
    "beating": Style("given", holds=(1, 2.5), beats=True),
    "renewing": Style("given", together=4, holds=(1, 2), beats=True),
    "proving": Style("given", follows=True),
    "waiting": Style("own", wait_s=0.7),
    "late batches": Style("given", together=3, holds=(0.3, 1.2)),
}
DRAINING = Style("own", together=20, follows=True, wait_s=0.2, holds=(0, 0))
