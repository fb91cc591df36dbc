"""Runs of the checker, one after another, until a promise is broken: `make soak`.

python -m tests.faults.history.soak MINUTES [SEED]
"""

import itertools
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.history import plan
from tests.faults.history.run import Options
from tests.faults.history.shown import made

SETUPS = (("sqlite", 1), ("postgresql", 1), ("postgresql", 3))
RUN_S = 12
KNOWN = (
    "kill",
    "stop",
    "disk",
    "commit",
)  # without repeated requests and moved clocks the checker can apply more rules


def main(minutes: str, seed: str | None = None) -> int:
    """Returns 0 if every run kept all promises, else 1."""
    give_up = time.monotonic() + float(minutes) * 60
    total: Counter[str] = Counter()
    first = int(seed) if seed else time.time_ns() % 1_000_000
    for number in itertools.count(first):
        for database, servers in SETUPS:
            faults = plan.KINDS if number % 2 else KNOWN
            verdict = made(Options(number, RUN_S, database, servers, faults), Path(tempfile.gettempdir()))
            total += verdict.struck + Counter(
                {
                    f"runs on {database}, {servers} servers": 1,
                    "requests": verdict.story.requests,
                    "answered": verdict.story.acknowledged,
                    "jobs": len(verdict.final.jobs),
                    "claims": len(verdict.final.ended),
                    "claims lost": verdict.lost,
                }
            )
            if verdict.violations or time.monotonic() > give_up:
                print(f"seeds from {first} to {number}:", *(f"  {what} {n}" for what, n in total.items()), sep="\n")
                return 1 if verdict.violations else 0
    raise AssertionError


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
