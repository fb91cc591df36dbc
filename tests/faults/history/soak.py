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
from tests.faults.history.printing import run_and_print
from tests.faults.history.run import Options
from tests.faults.history.scenario import SCENARIOS

SETUPS = (("sqlite", 1), ("postgresql", 1), ("postgresql", 3))
RUN_S = 12
WITHOUT_REPEATS = (
    "kill",
    "stop",
    "disk",
    "commit",
    "node",
    "outage",
)  # without repeated requests and moved clocks the checker can apply more rules


def main(minutes: str, seed: str | None = None) -> int:
    """Returns 0 if every run kept all promises, else 1."""
    give_up_at = time.monotonic() + float(minutes) * 60
    total: Counter[str] = Counter()
    first = int(seed) if seed else time.time_ns() % 1_000_000
    for number in itertools.count(first):
        for setup, (database, servers) in enumerate(SETUPS):
            faults = plan.KINDS if number % 2 else WITHOUT_REPEATS
            scenario = list(SCENARIOS)[(number // 2 + setup) % len(SCENARIOS)]
            options = Options(number, RUN_S, database, servers, faults, scenario)
            verdict = run_and_print(options, Path(tempfile.gettempdir()))
            total += verdict.applied + Counter(
                {
                    f"runs on {database}, {servers} servers": 1,
                    f"runs of {scenario}": 1,
                    "requests": verdict.log.requests,
                    "responses": verdict.log.acknowledged,
                    "jobs": len(verdict.final.jobs),
                    "claims": len(verdict.final.claim_ends),
                    "claims lost": verdict.lost,
                }
            )
            if verdict.violations or time.monotonic() > give_up_at:
                print(f"seeds from {first} to {number}:", *(f"  {name} {n}" for name, n in total.items()), sep="\n")
                return 1 if verdict.violations else 0
    raise AssertionError


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
