"""A failing seed is made again by one command: all faults follow from it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.history import plan, preload
from tests.faults.history.final import Final
from tests.faults.history.run import Options, Verdict
from tests.faults.history.story import Story


def made(seed: str, kinds: tuple[str, ...] = plan.KINDS, without: tuple[str, ...] = ()) -> dict[str, list[plan.Fault]]:
    """What strikes three servers on PostgreSQL and five workers."""
    return plan.made(seed, kinds, 3, 5, True, without)


def test_one_seed_is_one_plan_and_another_seed_another() -> None:
    assert made("7 1") == made("7 1")
    assert made("7 1") != made("7 2")


def test_the_faults_of_one_target_do_not_depend_on_how_many_others_there_are() -> None:
    assert plan.made("7", plan.KINDS, 1, 1, True)["server 0"] == made("7")["server 0"]


def test_only_what_was_asked_for_strikes() -> None:
    struck = {fault.what for faults in made("7", ("stop", "clock")).values() for fault in faults}
    assert struck == {"stopped", "clock moved"}


def test_every_kind_strikes_something_on_both_databases() -> None:
    for kind in plan.KINDS:
        for postgresql in (False, True):
            assert any(plan.made("7", (kind,), 1, 1, postgresql).values()), f"{kind}, {postgresql}"


def test_where_there_is_no_compiler_the_run_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert preload.built(tmp_path) is None
    left_out = ("clock moved", "flushes fail")
    assert not {fault.what for faults in made("7", without=left_out).values() for fault in faults} & set(left_out)
    summary = Verdict(Story(), Final({}, [], {}), Counter(), [], 1, left_out).summary
    assert "LEFT OUT, for there is no C compiler (cc): clock moved, flushes fail" in summary


def test_the_command_that_makes_a_run_again_names_all_of_it() -> None:
    assert Options(7, 30, "postgresql", 3, ("kill", "net")).command == (
        "python -m tests.faults.history --seed 7 --seconds 30 --database postgresql --servers 3 --faults kill,net"
    )
