"""Compares job_manager with its peers and its limits: python -m bench [--only NAME …] [--rounds N] [--ten-million]

A complete run (about fifteen minutes) writes docs/performance.md; a partial run only prints its tables.
"""

import argparse
import os
import signal
import sys
import time

from rich.console import Console

from bench import claim_cost, commits, heartbeats, performance, request_rates, waiting
from bench.drain import Drain
from bench.rounds import Measure, Rounds
from bench.system import load_systems

ROUNDS, SIZES, TEN_MILLION = 5, (10_000, 1_000_000), 10_000_000
CLAIMS = "claims"


def arguments() -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n\n")[2])
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="run only measurements with one of these words in their names"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS}); fewer do not write the page"
    )
    parser.add_argument(
        "--ten-million", action="store_true", help="also measure claims among ten million jobs (two minutes more)"
    )
    return parser.parse_args()


def main() -> int:
    """Measures, prints and, after a complete run, writes the page. Returns the exit code."""
    options, console, started, load = arguments(), Console(), time.perf_counter(), os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # run the cleanup that ends child processes
    systems, missing = load_systems()
    for name, reason in missing.items():
        console.print(f"[red]{name} is missing: {reason}", highlight=False)
    measures: dict[str, Measure] = {
        **{system.name: Drain(system) for system in systems},
        **{rates.name: rates for rates in request_rates.RATES},
        "a million jobs": request_rates.many_jobs,
        "waiting": waiting.measured,
        "heartbeats": heartbeats.measured,
        "commits": commits.measured,
    }

    def selected(name: str) -> bool:
        return not options.only or any(part.lower() in name.lower() for part in options.only)

    measures = {name: measure for name, measure in measures.items() if selected(name)}
    if not measures and not selected(CLAIMS):
        console.print("No measurement has such a name.")
        return 2
    rounds, claims_us = Rounds(), {}
    rounds.run(measures, options.rounds, console)
    if selected(CLAIMS):
        with console.status("claims among few and among many jobs …"):
            claims_us = claim_cost.medians_us([*SIZES, *([TEN_MILLION] if options.ten_million else [])])
    minutes = (time.perf_counter() - started) / 60
    text = performance.page(rounds, systems, missing | rounds.missing, claims_us, minutes, load)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if options.only or options.rounds < ROUNDS:
        console.print("(partial run: docs/performance.md was not written)")
    else:
        performance.write(text)
    return 1 if missing or rounds.missing else 0


if __name__ == "__main__":
    sys.exit(main())
