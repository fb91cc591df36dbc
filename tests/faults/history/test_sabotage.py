"""The checker finds what it is there for: five faults, each patched into a copy of the server, within 30 seconds."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.history.run import Options, run
from tests.faults.history.sabotaged import PATCHES, copy

SECONDS = 30
LATE = ("renewing",) * 5 + ("slow", "choosing") * 2  # workers that report and renew about the deadline
QUICK = ("founding", "choosing", "batching", "proving") * 3  # workers that share commits
# What to run, and what the checker must say. The seeds are chosen: what strikes first lays the fault open.
HAZARDS: dict[str, tuple[Options, tuple[str, ...]]] = {
    "claim_in_two_statements": (
        Options(1, SECONDS, "postgresql", 2, ("net",)), ("has vanished without an end", "overlap")
    ),
    "report_without_token": (
        Options(1, SECONDS, faults=("stop",), styles=LATE), ("though its claim was lost", "nobody asked for this end")
    ),
    "answer_before_commit": (
        Options(586, SECONDS, faults=("commit",), styles=QUICK), ("is lost", "has vanished", "no end of that claim")
    ),
    "sweep_without_recheck": (Options(276, SECONDS, faults=("commit",), styles=LATE), ("before its deadline",)),
    "counters_outside_of_the_transaction": (Options(232, SECONDS, faults=("commit",)), ("a recount says",)),
}  # fmt: skip


@pytest.mark.parametrize("hazard", HAZARDS)
def test_the_checker_finds_within_30_s_a(hazard: str, tmp_path: Path) -> None:
    options, sentences = HAZARDS[hazard]
    if "commit" in options.faults and shutil.which("cc") is None:
        pytest.skip("no C compiler (cc) here: it takes slow and failing flushes to show this")
    folder = tmp_path / "run"
    folder.mkdir()
    verdict = run(replace(options, root=copy(tmp_path / "code", hazard)), folder, print)
    print(verdict.summary)
    assert any(sentence in said for said in verdict.violations for sentence in sentences)


def test_every_patch_is_tried() -> None:
    assert {file.stem for file in PATCHES.glob("*.patch")} == set(HAZARDS)
