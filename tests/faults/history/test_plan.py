"""One command repeats a failed run: its seed determines all faults."""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.history import plan, preload
from tests.faults.history.final import Final
from tests.faults.history.request_log import RequestLog
from tests.faults.history.run import Options, Verdict


def plan_of(
    seed: str, kinds: tuple[str, ...] = plan.KINDS, left_out: tuple[str, ...] = ()
) -> dict[str, list[plan.Fault]]:
    """A plan for three servers on PostgreSQL and five workers."""
    return plan.make_plan(seed, kinds, 3, 5, True, left_out)


def test_each_seed_has_its_own_plan() -> None:
    assert plan_of("7 1") == plan_of("7 1")
    assert plan_of("7 1") != plan_of("7 2")


def test_the_faults_of_a_target_do_not_depend_on_other_targets() -> None:
    assert plan.make_plan("7", plan.KINDS, 1, 1, True)["server 0"] == plan_of("7")["server 0"]


def test_a_plan_has_the_requested_kinds_only() -> None:
    applied = {fault.effect for faults in plan_of("7", ("stop", "clock")).values() for fault in faults}
    assert applied == {"stopped", "clock moved"}


def test_every_kind_has_faults_on_both_databases() -> None:
    for kind in plan.KINDS:
        for postgresql in (False, True):
            assert any(plan.make_plan("7", (kind,), 1, 1, postgresql).values()), f"{kind}, {postgresql}"


def test_a_run_without_a_compiler_lists_the_omitted_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert preload.compile_library(tmp_path) is None
    left_out = ("clock moved", "flushes fail")
    assert not {fault.effect for faults in plan_of("7", left_out=left_out).values() for fault in faults} & set(left_out)
    summary = Verdict(RequestLog(), Final({}, [], {}), Counter(), [], 1, left_out).summary
    assert "NOT RUN, because there is no C compiler (cc): clock moved, flushes fail" in summary


def test_the_command_to_repeat_a_run_has_all_options() -> None:
    assert Options(7, 30, "postgresql", 3, ("kill", "net")).command == (
        "python -m tests.faults.history --seed 7 --seconds 30 --database postgresql --servers 3 --faults kill,net"
        " --scenario mixed"
    )
