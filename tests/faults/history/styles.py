"""The styles of workers. A run mixes them."""

from dataclasses import dataclass
from typing import Literal

LIFETIME_S = {1: 0.8, 3: 1.0}  # of the two working stages; short, so that some claims expire


@dataclass(frozen=True)
class Style:
    """How a worker claims, works and reports.

    `tokens`: "none" sends no claim, as founding workers; "given" uses the server's tokens; "own" chooses its tokens and
    repeats every request without a response. `batch_size`: jobs in each request. `claims_next`: it claims by ?next=.
    `work_lifetimes`: shortest and longest time of a job, in lifetimes. `released_share`: the share of released jobs,
    from 0 to 1.
    """

    tokens: Literal["none", "given", "own"]
    batch_size: int = 1
    claims_next: bool = False
    wait_s: float = 0
    work_lifetimes: tuple[float, float] = (0, 0.02)
    heartbeats: bool = False
    released_share: float = 0


STYLES = {
    "founding": Style("none"),
    "choosing": Style("own", claims_next=True),
    "slow": Style("given", work_lifetimes=(0.85, 1.35)),
    "batching": Style("own", batch_size=5, claims_next=True, work_lifetimes=(0, 0.2)),
    "giving back": Style("own", released_share=0.4),
    "beating": Style("given", work_lifetimes=(1, 2.5), heartbeats=True),
    "renewing": Style("given", batch_size=4, work_lifetimes=(1, 2), heartbeats=True),
    "proving": Style("given", claims_next=True),
    "waiting": Style("own", wait_s=0.7),
    "late batches": Style("given", batch_size=3, work_lifetimes=(0.3, 1.2)),
}
DRAINING = Style("own", batch_size=20, claims_next=True, wait_s=0.2, work_lifetimes=(0, 0))
