"""This server beside its peers and its limits: python -m bench [--only NAME …] [--rounds N] [--ten-million]

A whole run (five to ten minutes) is put into docs/performance.md; a part is only shown.
"""

import argparse
import os
import signal
import sys
import time

from rich.console import Console

from bench import claim_cost, commits, performance, request_rates, waiting
from bench.drain import Drain
from bench.rounds import Measure, Rounds
from bench.system import found

ROUNDS, SIZES, TEN_MILLION = 5, (10_000, 1_000_000), 10_000_000
CLAIMS = "claims"


def arguments() -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only what has one of these in its name")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"a page is written from {ROUNDS} on")
    parser.add_argument(
        "--ten-million", action="store_true", help="claims among ten million jobs too, two minutes more"
    )
    return parser.parse_args()


def main() -> int:
    """Measures, prints and, where all was measured, writes; the exit code."""
    asked_for, console, begun, load = arguments(), Console(), time.perf_counter(), os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    systems, missing = found()
    for name, why in missing.items():
        console.print(f"[red]{name} is missing: {why}", highlight=False)
    measures: dict[str, Measure] = {
        **{system.name: Drain(system) for system in systems},
        **{rates.name: rates for rates in request_rates.RATES},
        "a million jobs": request_rates.many_jobs,
        "waiting": waiting.measured,
        "commits": commits.measured,
    }

    def chosen(name: str) -> bool:
        return not asked_for.only or any(part.lower() in name.lower() for part in asked_for.only)

    measures = {name: measure for name, measure in measures.items() if chosen(name)}
    if not measures and not chosen(CLAIMS):
        console.print("nothing is named so")
        return 2
    rounds, claims_us = Rounds(), {}
    rounds.run(measures, asked_for.rounds, console)
    if chosen(CLAIMS):
        with console.status("claims among few and many jobs …"):
            claims_us = claim_cost.medians_us([*SIZES, *([TEN_MILLION] if asked_for.ten_million else [])])
    minutes = (time.perf_counter() - begun) / 60
    told = performance.page(rounds, systems, missing | rounds.missing, claims_us, minutes, load)
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    if asked_for.only or asked_for.rounds < ROUNDS:
        console.print("(a part: docs/performance.md stays as it is)")
    else:
        performance.write(told)
    return 1 if missing or rounds.missing else 0


if __name__ == "__main__":
    sys.exit(main())
