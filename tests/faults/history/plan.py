"""Plans faults: the seed determines their kinds, targets and times."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("kill", "stop", "disk", "commit", "clock", "net", "node", "outage")
PAUSES_S = {
    "server": (0.6, 1.8),
    "worker": (0.5, 6),
    "network": (0.2, 1.2),
    "database": (0.8, 2.0),
}  # between two faults

FAULTS_PER_TARGET = 20  # faults for each target in a round
OUTAGE_S = (4.5, 5.0)  # longer than all leases and lifetimes


@dataclass(frozen=True)
class Fault:
    """A fault that begins after_s seconds after the previous fault of its target is healed. `size`: its strength."""

    after_s: float
    target: str  # "server 0", "worker 3", "network", "database"
    effect: str
    lasts_s: float
    size: float


@dataclass(frozen=True)
class Choice:
    """A possible fault of a kind of target: its duration, size and frequency."""

    kind: str
    effect: str
    lasts_s: tuple[float, float]
    size: tuple[float, float] = (0, 0)
    weight: int = 1


SERVER = (
    Choice("kill", "killed", (0.0, 0.3)),
    Choice("stop", "stopped", (0.2, 1.8)),
    Choice("clock", "clock moved", (0.3, 1.5), (-3000, 3000)),
    Choice("outage", "down", OUTAGE_S),
)
SQLITE = (
    Choice("kill", "killed in a slow flush", (0.05, 0.4), (50, 250), weight=2),
    Choice("commit", "killed, flushes fail", (0.05, 0.3), (0, 80)),
    Choice("disk", "disk full", (0.2, 0.8), (4096, 300_000)),
    Choice("commit", "flushes fail", (0.05, 0.5), (0, 80)),
    Choice("commit", "flushes slow", (0.3, 1.2), (20, 250)),
)
WORKER = (
    Choice("kill", "killed", (0, 0)),
    Choice("stop", "stopped", (0.3, 2.0)),
    Choice("node", "ended by its node", (0, 0)),
)
NETWORK = (Choice("net", "lossy", (0.5, 1.5), (0.05, 0.4)),)
POSTGRESQL = (
    Choice("disk", "disk full", (0.1, 0.4)),
    Choice("commit", "responses to commits lost", (0.1, 0.5)),
    Choice("commit", "silent", (0.2, 1.5)),
    Choice("commit", "connections ended", (0, 0)),
    Choice("kill", "stopped at once", (0, 0.3)),
)


def make_plan(
    seed: str,
    kinds: Iterable[str],
    servers: int,
    workers: int,
    postgresql: bool,
    left_out: Iterable[str] = (),
) -> dict[str, list[Fault]]:
    """The faults of each target in order, more than a round can apply. `left_out`: effects that are not possible."""
    targets: dict[str, tuple[Choice, ...]] = {"network": NETWORK}
    targets |= {f"worker {number}": WORKER for number in range(workers)}
    targets |= {f"server {number}": SERVER if postgresql else SERVER + SQLITE for number in range(servers)}
    if postgresql:
        targets["database"] = POSTGRESQL
    faults: dict[str, list[Fault]] = {}
    for target, possible in targets.items():
        choices = [one for one in possible if one.kind in kinds and one.effect not in left_out]
        faults[target] = _faults_of(random.Random(f"{seed} {target}"), target, choices)
    return faults


def _faults_of(rng: random.Random, target: str, choices: list[Choice]) -> list[Fault]:
    faults: list[Fault] = []
    for _ in range(FAULTS_PER_TARGET if choices else 0):
        (choice,) = rng.choices(choices, [choice_of_line.weight for choice_of_line in choices])
        pause_s = rng.uniform(*PAUSES_S[target.split()[0]])
        faults.append(Fault(pause_s, target, choice.effect, rng.uniform(*choice.lasts_s), rng.uniform(*choice.size)))
    return faults
