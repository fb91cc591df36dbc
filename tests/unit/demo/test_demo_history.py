"""The checks of the demo: the counts are correct, and each kind of error is detected."""

import json
from pathlib import Path

import pytest

from examples.demo.history import History, Hold, Log, judge

STAGES = (0, 2)


def _hold(jobid: int, stage: int, start_s: float, end_s: float, outcome: str = "done") -> Hold:
    return Hold(jobid, stage, f"{jobid}-{stage}-{start_s}", "worker 1", 1, start_s, start_s + 3, end_s, outcome)


def test_a_history_of_jobs_done_once_is_correct() -> None:
    holds = [_hold(1, 0, 0, 1), _hold(1, 2, 1, 2), _hold(2, 0, 0, 1), _hold(2, 2, 0.5, 2)]
    verdict = judge(holds, {1: True, 2: True}, STAGES, 2)
    assert verdict.all_correct
    assert (verdict.files, verdict.done, verdict.lost) == (2, 2, ())


def test_overlapping_holds_are_detected() -> None:
    holds = [_hold(1, 0, 0, 9), _hold(1, 0, 1, 2, "released"), _hold(1, 0, 5, 6, "released"), _hold(1, 2, 9, 10)]
    verdict = judge(holds, {1: True}, STAGES, 1)
    assert [(first.start_s, second.start_s) for first, second in verdict.claimed_twice_at_once] == [(0, 1), (0, 5)]
    assert not verdict.all_correct


def test_a_claim_after_a_kill_or_a_loss_is_no_overlap() -> None:
    holds = [_hold(1, 0, 0, 1, "killed"), _hold(1, 0, 4, 5, "lost"), _hold(1, 0, 5, 6), _hold(1, 2, 6, 7)]
    assert judge(holds, {1: True}, STAGES, 1).all_correct


def test_a_job_that_no_worker_finished_is_lost_whatever_the_server_says() -> None:
    holds = [_hold(1, 0, 0, 1), _hold(1, 2, 1, 2), _hold(2, 0, 0, 1), _hold(2, 2, 1, 2, "killed")]
    verdict = judge(holds, {1: True, 2: True, 3: True}, STAGES, 3)
    assert verdict.lost == (2, 3)
    assert verdict.done == 1
    assert not verdict.all_correct


def test_a_job_without_its_outputs_is_lost() -> None:
    assert judge([_hold(1, 0, 0, 1), _hold(1, 2, 1, 2)], {1: False}, STAGES, 1).lost == (1,)


def test_a_job_done_twice_is_detected() -> None:
    verdict = judge([_hold(1, 0, 0, 1), _hold(1, 0, 2, 3), _hold(1, 2, 3, 4)], {1: True}, STAGES, 1)
    assert verdict.done_twice == ((1, 0),)
    assert not verdict.all_correct


def test_wrong_counts_of_the_server_are_detected() -> None:
    assert not judge([_hold(1, 0, 0, 1), _hold(1, 2, 1, 2)], {1: True}, STAGES, 0).all_correct


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.jsonl")


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History("worker 1", tmp_path / "log.jsonl", lifetime_s=3)


def _claim(log: Log, jobid: int = 7, requested_s: float = 0.0) -> None:
    log.write("claimed", jobid=jobid, stage=0, claim="secret", attempt=1, requested_s=requested_s)


def test_a_log_becomes_holds_and_never_shows_a_claim(log: Log, history: History, tmp_path: Path) -> None:
    log.write("ready")
    _claim(log)
    history.read()
    assert history.current_claim() is None
    log.write("started", jobid=7, claim="secret")
    history.read()
    assert history.ready
    [hold] = history.holds
    assert history.current_claim() is hold
    log.write("reporting", jobid=7, claim="secret")
    history.read()
    assert history.current_claim() is None
    log.write("ended", jobid=7, claim="secret", jobstage=2)
    history.read()
    assert hold.outcome == "done"
    assert hold.start_s <= hold.end_s < float("inf")
    assert "secret" not in (tmp_path / "log.jsonl").read_text()


def test_an_incomplete_line_is_read_later(history: History, tmp_path: Path) -> None:
    line = json.dumps({"at_s": 1.0, "event": "ready"}) + "\n"
    (tmp_path / "log.jsonl").write_text(line[:9])
    history.read()
    assert not history.ready
    (tmp_path / "log.jsonl").write_text(line)
    history.read()
    assert history.ready


def test_a_killed_worker_holds_until_its_death(log: Log, history: History) -> None:
    _claim(log)
    history.read()
    history.killed(at_s=1e9)
    assert (history.holds[0].outcome, history.holds[0].end_s) == ("killed", 1e9)
    assert history.current_claim() is None


def test_a_lost_claim_ends_at_its_deadline(log: Log, history: History) -> None:
    _claim(log, requested_s=-100.0)
    log.write("renewed", jobid=7, claim="secret", requested_s=-50.0)
    log.write("reporting", jobid=7, claim="secret")
    log.write("lost", jobid=7, claim="secret")
    history.read()
    assert history.holds[0].end_s == -47.0


def test_a_claim_with_two_responses_is_one_hold(log: Log, history: History) -> None:
    _claim(log)
    _claim(log)
    history.read()
    assert len(history.holds) == 1


def test_a_released_job_may_be_claimed_from_its_report_on(log: Log, history: History) -> None:
    _claim(log)
    log.write("reporting", jobid=7, claim="secret")
    log.write("ended", jobid=7, claim="secret", jobstage=0)
    history.read()
    [hold] = history.holds
    assert (hold.outcome, hold.end_s) == ("released", hold.reporting_s)


def test_a_job_that_failed_stays_where_it_was_and_is_not_done(log: Log, history: History) -> None:
    _claim(log)
    log.write("reporting", jobid=7, claim="secret")
    log.write("ended", jobid=7, claim="secret", jobstage=1)
    history.read()
    assert history.holds[0].outcome == "released"


def test_a_heartbeat_beside_a_report_does_not_lose_the_job(log: Log, history: History) -> None:
    for jobid in (7, 8):
        log.write("claimed", jobid=jobid, stage=0, claim="secret", attempt=1, requested_s=0.0)
    log.write("reporting", jobid=7, claim="secret")
    for jobid in (7, 8):
        log.write("not held", jobid=jobid, claim="secret")
    log.write("ended", jobid=7, claim="secret", jobstage=2)
    history.read()
    assert [hold.outcome for hold in history.holds] == ["done", "lost"]
