"""The ways in which workers work. A run mixes them."""

from dataclasses import dataclass
from typing import Literal

LIFETIME_S = {1: 0.8, 3: 1.0}  # of the two working stages: short, so that claims are lost


@dataclass(frozen=True)
class Style:
    """How one worker asks, works and reports.

    `tokens`: "none" sends no claim, as founding workers; "given" sends back the server's; "own" chooses them, and sends
    every request again that got no answer. `together`: jobs a request. `follows`: by ?next=. `holds`: how long it works
    on a job, from and to, in lifetimes. `gives_back`: how often it does, of 1.
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
