"""The styles of workers. A run mixes them."""

from dataclasses import dataclass
from typing import Literal

MAX_ATTEMPTS = 4  # low, so that some jobs fail
LIFETIME_S = {1: 0.8, 3: 1.0}  # of the two working stages; short, so that some claims expire


@dataclass(frozen=True)
class Style:
    """How a worker claims, works and reports.

    `tokens`: "none" sends no claim, as founding workers; "given" uses the server's tokens; "own" chooses its tokens and
    repeats every request without a response. `batch_size`: jobs in each request. `claims_next`: it claims by ?next=.
    `work_lifetimes`: shortest and longest time of a job, in lifetimes or, with a lease, in leases. `lease_s`: it asks
    for a lease of that time; 0: for none. Shares are from 0 to 1. `released_share`: of released jobs. `silent_share`:
    of claims that it does not renew. `interrupted_share`: of released jobs that it gives back as interrupted.
    `cancelled_share`: of attempts that it asks the server to cancel; it repeats the request after their end.
    `verdicts`: of the check of the stage, of which it sends one; None: none. `lying_share`: of wrong results; None: a
    result names its claim.
    """

    tokens: Literal["none", "given", "own"]
    batch_size: int = 1
    claims_next: bool = False
    wait_s: float = 0
    work_lifetimes: tuple[float, float] = (0, 0.02)
    heartbeats: bool = False
    released_share: float = 0
    lease_s: float = 0
    silent_share: float = 0
    interrupted_share: float = 0
    cancelled_share: float = 0
    verdicts: tuple[bool | None, ...] = (True,)
    lying_share: float | None = None

    def limit_s(self, working_stage: int) -> float:
        """The time that it may take, or after which it must renew the claim."""
        return self.lease_s or LIFETIME_S.get(working_stage, 1)  # a faulty server may return any stage


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
    "leasing": Style("own", lease_s=0.4, work_lifetimes=(0.2, 2.2), heartbeats=True, silent_share=0.3),
    "leased batches": Style(
        "given", batch_size=3, claims_next=True, lease_s=0.5, work_lifetimes=(0, 1.6), heartbeats=True, silent_share=0.2
    ),
    "interrupted": Style("own", lease_s=0.5, released_share=0.6, interrupted_share=0.7),
    "cancelling": Style("own", lease_s=0.6, work_lifetimes=(0, 0.6), heartbeats=True, cancelled_share=0.3),
    "late batches": Style("given", batch_size=3, work_lifetimes=(0.3, 1.2)),
}
CHECKING = {
    "unchecked": Style("none", verdicts=(None,)),
    "checking": Style("own", verdicts=(True, True, False, None)),
    "checked batches": Style("given", batch_size=4, claims_next=True, verdicts=(True, True, False), lease_s=0.5),
    "checked slowly": Style("given", lease_s=0.4, work_lifetimes=(0.7, 1.5), verdicts=(True, False)),
}
HONEST = Style("own", claims_next=True, lying_share=0)
REPLICATING = {
    "honest": HONEST,
    "lying": Style("own", lying_share=0.2),
    "replicating batches": Style("given", batch_size=3, claims_next=True, lying_share=0.1, lease_s=0.5),
    "replicating slowly": Style("own", lease_s=0.4, work_lifetimes=(0.7, 1.5), lying_share=0.1),
}
DRAINING = Style("own", batch_size=20, claims_next=True, wait_s=0.2, work_lifetimes=(0, 0))
