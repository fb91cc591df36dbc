"""Runs of the checker with fixed seeds, on each database, with one and three servers."""

from pathlib import Path

import pytest

from tests.faults.history.run import Options, run

RUNS = [
    Options(seed=19, seconds=8, database="sqlite"),
    Options(seed=29, seconds=4, database="postgresql"),
    Options(seed=14, seconds=4, database="postgresql", servers=3),
    Options(seed=15, seconds=4, scenario="leases"),
    Options(seed=16, seconds=4, database="postgresql", servers=3, scenario="checks"),
    Options(seed=17, seconds=4, scenario="replication"),
    Options(seed=18, seconds=8, scenario="clients"),
]


@pytest.mark.parametrize(
    "options", RUNS, ids=lambda options: f"{options.database}-{options.servers}-{options.scenario}"
)
def test_all_promises_hold_under_faults(options: Options, tmp_path: Path) -> None:
    verdict = run(options, tmp_path, print)
    print(verdict.summary)
    assert verdict.violations == [], f"again: {options.command}; the history: {tmp_path / 'history.jsonl'}"
    assert verdict.applied
    assert verdict.log.acknowledged > 0
    assert verdict.final.jobs
