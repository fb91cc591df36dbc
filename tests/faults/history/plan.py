"""Plans faults: the seed determines their kinds, targets and times."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("kill", "stop", "disk", "commit", "clock", "net")
QUIET_S = {
    "server": (0.6, 1.8),
    "worker": (0.5, 6),
    "network": (0.2, 1.2),
    "database": (0.8, 2.0),
}  # between two faults

MANY = 20  # faults for each target in a round


@dataclass(frozen=True)
class Fault:
    """A fault that begins after_s seconds after the last one of its target is healed. `much`: its size."""

    after_s: float
    target: str  # "server 0", "worker 3", "network", "database"
    what: str
    lasts_s: float
    much: float


@dataclass(frozen=True)
class Choice:
    """A possible fault of a kind of target: its duration, size and frequency."""

    kind: str
    what: str
    lasts_s: tuple[float, float]
    much: tuple[float, float] = (0, 0)
    weight: int = 1


SERVER = (
    Choice("kill", "killed", (0.0, 0.3)),
    Choice("stop", "stopped", (0.2, 1.8)),
    Choice("clock", "clock moved", (0.3, 1.5), (-3000, 3000)),
)
SQLITE = (
    Choice("kill", "killed in a slow flush", (0.05, 0.4), (50, 250), weight=2),
    Choice("commit", "killed, flushes fail", (0.05, 0.3), (0, 80)),
    Choice("disk", "disk full", (0.2, 0.8), (4096, 300_000)),
    Choice("commit", "flushes fail", (0.05, 0.5), (0, 80)),
    Choice("commit", "flushes slow", (0.3, 1.2), (20, 250)),
)
WORKER = (Choice("kill", "killed", (0, 0)), Choice("stop", "stopped", (0.3, 2.0)))
NETWORK = (Choice("net", "lossy", (0.5, 1.5), (0.05, 0.4)),)
POSTGRESQL = (
    Choice("disk", "disk full", (0.1, 0.4)),
    Choice("commit", "answers to commits lost", (0.1, 0.5)),
    Choice("commit", "silent", (0.2, 1.5)),
    Choice("commit", "connections ended", (0, 0)),
    Choice("kill", "stopped at once", (0, 0.3)),
)


def made(
    seed: str,
    kinds: Iterable[str],
    servers: int,
    workers: int,
    postgresql: bool,
    without: Iterable[str] = (),
) -> dict[str, list[Fault]]:
    """The faults of each target in order, more than a round can apply. `without`: kinds that are not possible here."""
    targets: dict[str, tuple[Choice, ...]] = {"network": NETWORK}
    targets |= {f"worker {number}": WORKER for number in range(workers)}
    targets |= {f"server {number}": SERVER if postgresql else SERVER + SQLITE for number in range(servers)}
    if postgresql:
        targets["database"] = POSTGRESQL
    found: dict[str, list[Fault]] = {}
    for target, some in targets.items():
        choices = [one for one in some if one.kind in kinds and one.what not in without]
        found[target] = _line(random.Random(f"{seed} {target}"), target, choices)
    return found


def _line(chance: random.Random, target: str, choices: list[Choice]) -> list[Fault]:
    found: list[Fault] = []
    for _ in range(MANY if choices else 0):
        (choice,) = chance.choices(choices, [one.weight for one in choices])
        quiet_s = chance.uniform(*QUIET_S[target.split()[0]])
        found.append(Fault(quiet_s, target, choice.what, chance.uniform(*choice.lasts_s), chance.uniform(*choice.much)))
    return found
