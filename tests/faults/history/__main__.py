"""python -m tests.faults.history: one run of the checker."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.history import plan
from tests.faults.history.printing import run_and_print
from tests.faults.history.run import Options
from tests.faults.history.scenario import SCENARIOS


def main() -> int:
    """Returns 0 if every promise was kept, else 1."""
    options, keep = _read()
    return 1 if run_and_print(options, keep).violations else 0


def _read() -> tuple[Options, Path]:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.history",
        description="Real servers and workers under faults: every request and response is recorded, and checked.",
    )
    add = parser.add_argument
    add("--seed", type=int, default=1, help="the number that determines all faults (default: 1)")
    add("--seconds", type=float, default=30, help="duration; every 4 s the list is drained and checked (default: 30)")
    add("--database", choices=["sqlite", "postgresql"], default="sqlite")
    add(
        "--servers",
        type=int,
        choices=[1, 2, 3],
        default=1,
        help="number of server processes on the database (default: 1)",
    )
    add("--faults", default=",".join(plan.KINDS), help="some of %(default)s (default: all)")
    add("--scenario", choices=SCENARIOS, default="mixed", help="the list and its workers (default: mixed)")
    add("--keep", type=Path, default=tempfile.gettempdir(), metavar="DIR", help="keep the files of a failed run here")
    given = parser.parse_args()
    faults = tuple(given.faults.split(","))
    if not set(faults) <= set(plan.KINDS):
        parser.error(f"--faults: some of {','.join(plan.KINDS)}, with commas")
    return Options(given.seed, given.seconds, given.database, given.servers, faults, given.scenario), given.keep


if __name__ == "__main__":
    sys.exit(main())
