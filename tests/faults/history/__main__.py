"""python -m tests.faults.history: one run of the checker."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.history import plan
from tests.faults.history.run import Options
from tests.faults.history.shown import made


def main() -> int:
    """Returns 0 if every promise was kept, else 1."""
    options, keep = _read()
    return 1 if made(options, keep).violations else 0


def _read() -> tuple[Options, Path]:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.history",
        description="Real servers and workers under faults: every request and answer is written down, and judged.",
    )
    add = parser.add_argument
    add("--seed", type=int, default=1, help="from which all faults follow (default: 1)")
    add("--seconds", type=float, default=30, help="how long: rounds of 4 s, each drained and checked (default: 30)")
    add("--database", choices=["sqlite", "postgresql"], default="sqlite")
    add("--servers", type=int, choices=[1, 2, 3], default=1, help="server processes on it (default: 1)")
    add("--faults", default=",".join(plan.KINDS), help="some of %(default)s (default: all)")
    add("--keep", type=Path, default=tempfile.gettempdir(), metavar="DIR", help="for the files of a run that failed")
    given = parser.parse_args()
    faults = tuple(given.faults.split(","))
    if not set(faults) <= set(plan.KINDS):
        parser.error(f"--faults: some of {','.join(plan.KINDS)}, with commas")
    return Options(given.seed, given.seconds, given.database, given.servers, faults), given.keep


if __name__ == "__main__":
    sys.exit(main())
