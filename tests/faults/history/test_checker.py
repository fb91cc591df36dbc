"""Each rule of the checker finds its violation in a small history, and a correct history has none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.history.checker import violations
from tests.faults.history.final import LATE_RESULT, LOST, ClaimEnd, Job, LateResult, Step
from tests.faults.history.request_log import Grant, Heartbeat, Report
from tests.faults.history.small_history import RESULT_A, RESULT_B, SmallHistory
from tests.faults.history.styles import MAX_ATTEMPTS


@pytest.fixture
def history() -> SmallHistory:
    """A correct history."""
    return SmallHistory()


def found_violations(history: SmallHistory) -> list[str]:
    """The violations that the checker finds."""
    return violations(history.request_log, history.final)


def test_a_correct_history_has_no_violation(history: SmallHistory) -> None:
    assert found_violations(history) == []


def test_a_lost_claim_with_a_refused_report_is_not_a_violation(history: SmallHistory) -> None:
    history.lost()
    assert found_violations(history) == []


def test_a_request_without_a_response_may_be_done_or_not(history: SmallHistory) -> None:
    history.grant_a = replace(history.grant_a, deadline=0)
    history.report_a = replace(history.report_a, answered_at=None, status=None)
    history.submission = replace(history.submission, answered_at=None, status=None)
    history.more = [Report("ann", 20, None, None, job=7, claim="z", to=2)]
    assert found_violations(history) == []


def test_a_late_result_wins_if_nobody_claimed_the_job(history: SmallHistory) -> None:
    history.claim_ends.insert(0, ClaimEnd(7, "a", 1, 0, "requeued", 5450, "ann", LOST))
    history.steps[1:1] = [Step("requeued", 1, 0, "a", LOST), Step("claimed", 0, 1)]
    history.grant_a = replace(history.grant_a, lease_ms=400)
    history.counters |= {1: (0, 0, 0, 1, 0)}
    history.workers |= {"ann": (1, 1)}
    assert found_violations(history) == []


def test_a_late_result_that_does_not_pass_counts_once(history: SmallHistory) -> None:
    steps = [Step("requeued", 1, 0, "x", LOST), Step("claimed", 0, 1)] * (MAX_ATTEMPTS - 1)
    steps += [
        Step("renewed", 1, 1, None, LATE_RESULT),
        Step("released", 1, 0, "x", "invalid: no"),
        Step("claimed", 0, 1),
    ]
    history.steps[1:1] = steps
    assert not [violation for violation in found_violations(history) if "failed attempts" in violation]


def test_a_failure_that_is_reported_after_the_loss_is_not_a_violation(history: SmallHistory) -> None:
    history.lost()
    history.report_a = replace(history.report_a, status=200, code=None, to=0, left_in=1, body={"error": "no disk"})
    history.claim_ends[0] = ClaimEnd(7, "a", 1, 1, "failed", 5500, "ann", LOST)
    assert not [violation for violation in found_violations(history) if "accepted" in violation]


def test_rules_of_a_stage_that_are_kept_are_not_a_violation(history: SmallHistory) -> None:
    history.rules = {3: {"check": {"command": "true"}, "replication": {"results": 2, "adaptive": False}}}
    history.report_b = replace(history.report_b, body=history.report_b.body | {"passed": True})
    history.more = [Report("cat", 7.5, 7.6, None, job=7, claim="c", to=4, body=history.report_b.body)]
    assert found_violations(history) == []


def test_a_renewal_beyond_the_time_limit_after_an_outage_is_not_a_violation(history: SmallHistory) -> None:
    history.grant_a = replace(history.grant_a, time_limit=5300)
    history.extended_to = [5399]
    assert len(found_violations(history)) == 1
    history.extended_to = [5399, 5400]
    assert found_violations(history) == []


def test_a_repeated_report_is_not_a_violation(history: SmallHistory) -> None:
    history.more = [replace(history.report_a, at=30, answered_at=31)]
    assert found_violations(history) == []


def test_a_report_of_a_founding_worker_may_win(history: SmallHistory) -> None:
    history.report_b = replace(history.report_b, answered_at=None, status=None)
    history.more = [Report("fay", 8, 9, 200, job=7, to=4, left_in=4, body={"result": "hers"})]
    history.job = replace(history.job, result="hers")
    assert found_violations(history) == []


Change = Callable[[SmallHistory], object]


def job(**changed: Any) -> Change:
    """Changes the final state of the job."""
    return lambda history: setattr(history, "job", replace(history.job, **changed))


def part(name: str, **changed: Any) -> Change:
    """Changes a request or response."""
    return lambda history: setattr(history, name, replace(getattr(history, name), **changed))


def more(*parts: object) -> Change:
    """Adds requests."""
    return lambda history: history.more.extend(parts)


def row(number: int, **changed: Any) -> Change:
    """Changes a row of the history."""
    return lambda history: history.claim_ends.__setitem__(number, replace(history.claim_ends[number], **changed))


def lost(*changes: Change) -> Change:
    """Applies changes after claim a was lost."""

    def change(history: SmallHistory) -> None:
        history.lost()
        for change_part in changes:
            change_part(history)

    return change


BROKEN: dict[str, tuple[Change, str]] = {
    "a job that is held in the end": (job(stage=3, claim="b"), "job 7 is not done: stage 3, claim b"),
    "a job that is flagged in the end": (job(overdue=1), "job 7 is not done"),
    "a job that was done twice": (
        lambda history: history.claim_ends.append(ClaimEnd(7, "b2", 3, 4, "completed", 8600, "bob")),
        "job 7 was done 2 times",
    ),
    "a job that is done without a claim": (lambda history: history.claim_ends.clear(), "job 7 was done 0 times"),
    "a claim from another stage": (row(0, to=0, kind="released"), "left in stage 0, and then claimed from 2"),
    "a claim that ended twice": (lambda history: history.claim_ends.append(history.claim_ends[0]), "ended before"),
    "an end in a stage that does not exist": (row(1, to=6), "made a move that is not allowed"),
    "an event that its status forbids": (
        lambda history: history.steps.insert(1, Step("claimed", 1, 1)), "was working in stage 1, and then claimed"
    ),
    "an event from another stage": (lambda history: history.steps.pop(1), "was working in stage 1, and then claimed"),
    "events that lead to another state": (lambda history: history.steps.pop(), "its events lead to stage 3, working"),
    "a job that no claim moved": (job(stage=2), "but its last claim left it in stage 4"),
    "an acknowledged job that is lost": (
        lambda history: history.submission.jobs.update({8: None}), "job 8 is lost: acknowledged to sue at 1.000 s"
    ),
    "a job that no worker submitted": (lambda history: history.submission.jobs.clear(), "was not submitted"),
    "an acknowledged claim that is lost": (
        more(Grant("eve", 2, 3, 200, job=7, claim="e", jobcmd={"job": 1})),
        "claim e, granted to eve at 3.000 s, is missing",
    ),
    "a claim of another worker": (row(0, worker="eve"), "ended under another worker"),
    "a claim with a wrong attempt in its response": (part("grant_a", attempt=2), "received attempt 2; it was number 1"),
    "an accepted report that is lost": (
        more(Report("eve", 4, 5, 200, job=7, claim="e", to=2)), "the history has no end of that claim"
    ),
    "an accepted report of a lost claim": (
        lost(part("report_a", status=200, code=None)), "was accepted, though its claim was lost"
    ),
    "two founding reports accepted for one": (
        more(*[Report("fay", 8, 9, 200, job=7, to=4, left_in=4, body={"result": RESULT_B})] * 2),
        "2 reports to stage 4 without a claim",
    ),
    "a refused job that exists": (
        part("submission", status=503, code="database_busy"), "job 7 exists, though"
    ),
    "an end by a refused report": (
        part("report_b", status=503, code="database_busy"), "the report of bob was refused at 9.000 s"
    ),
    "a claim that no response granted": (
        lost(lambda history: history.client_tokens.update(c=1), lambda history: history.more.pop(0)),
        "though no response granted it",
    ),
    "a move without a report": (part("report_a", to=0), "no report requested this end"),
    "a token with more jobs than requested": (
        lambda history: history.client_tokens.update({"b": 0}), "token b requested 0 jobs, and received 1"
    ),
    "a claim that is held after its end": (
        more(Heartbeat("ann", 6, 6.1, 200, job=7, claim="a", state="held", deadline=5400)),
        "was held after 6.000 s, but ended at 5.000 s",
    ),
    "a claim that was lost and ends its job": (
        more(Report("ann", 3.5, 3.6, 409, "claim_lost", job=7, claim="a", to=0)),
        "lost since 3.600 s, and ended after 4.000 s",
    ),
    "a refused report that took effect": (
        part("report_a", status=409, code="claim_lost"), "its report was refused as lost, but took effect"
    ),
    "two claims at once": (part("grant_b", at=3.5, answered_at=3.6), "two claims overlap"),
    "a claim while a heartbeat found another one held": (
        lost(more(Heartbeat("ann", 5.9, 6, 200, job=7, claim="a", state="held", deadline=5400))),
        "two claims overlap",
    ),
    "a claim that expires too early": (lost(row(0, ended_ms=4000)), "expired 1400 ms before its deadline"),
    "a renewed claim that expires too early": (lost(row(0, ended_ms=5100)), "expired 300 ms before its deadline"),
    "a lost lease that had none": (lost(row(0, message="lost")), "lost by the end of a lease, but its claim had none"),
    "a lost job that only a request returns": (lost(row(0, message=None)), "lost, and did not return by itself"),
    "a lost job in another stage": (
        lost(part("grant_a", lease_ms=400, stage=2), row(0, message="lost")), "not in stage 2 that it was claimed from"
    ),
    "a renewal beyond the time limit": (part("grant_a", time_limit=5300), "was renewed 100 ms beyond its time limit"),
    "a failed job after one attempt": (
        lambda history: history.steps.insert(1, Step("failed", 1, 1, "x", "broken")), "failed after 1 failed attempts"
    ),
    "an interrupted attempt that counts": (
        lambda history: history.steps.__setitem__(
            slice(1, 1), [Step("released", 1, 0, "x", "interrupted"), Step("claimed", 0, 1)] * 3
            + [Step("failed", 1, 1, "y", "broken")],
        ),
        "failed after 1 failed attempts",
    ),
    "a job that should have failed": (
        lambda history: history.steps.__setitem__(
            slice(1, 1), [Step("released", 1, 0, "x", "broken"), Step("claimed", 0, 1)] * 4
        ),
        "had 4 failed attempts in stage 1, and did not fail",
    ),
    "a stop that nobody requested": (
        more(Heartbeat("ann", 3.5, 3.6, 200, job=7, claim="a", state="cancel", deadline=5400)),
        "claim a had to stop, but nobody cancelled it",
    ),
    "a cancelled claim that nobody requested": (
        row(0, to=1, kind="cancelled", message="cancelled"), "nobody requested to cancel claim a"
    ),
    "a late result that was not kept": (lost(lambda history: history.late_results.clear()), "ann was not kept"),
    "a late result of no claim": (
        lambda history: history.late_results.append(LateResult(7, "z", 1)), "its claim z is unknown"
    ),
    "a late result of a claim that was not lost": (
        lambda history: history.late_results.append(LateResult(7, "a", RESULT_A)), "its claim a was not lost"
    ),
    "a late result that nobody reported": (
        lost(lambda history: history.late_results.__setitem__(0, LateResult(7, "a", 1))), "nobody reported the late"
    ),
    "a late result that wins against the next claim": (
        lost(lambda history: history.claim_ends.insert(2, ClaimEnd(7, "a", 1, 2, "completed", 6200, "ann"))),
        "accepted late, though another worker had claimed it",
    ),
    "a job that advances without a check": (
        lambda history: history.rules.update({3: {"check": {"command": "true"}}}),
        "job 7 advanced without a passing check of the same claim",
    ),
    "a job that advances without a second result": (
        lambda history: history.rules.update({3: {"replication": {"results": 2, "adaptive": False}}}),
        "job 7 advanced with 1 agreeing results",
    ),
    "a corrupted result": (job(result=RESULT_A), "its result {'claim': 'a', 'stage': 1} is not that of"),
    "a corrupted jobcmd": (job(jobcmd=RESULT_B), "its jobcmd {'claim': 'b', 'stage': 3} is not that of"),
    "a corrupted jobcmd in a response": (part("grant_b", jobcmd=None), "at 7.000 s bob received the jobcmd None"),
    "a wrong counter": (lambda history: history.counters.update({4: (2, 0, 0, 0, 0)}), "stage 4: jobs, flagged,"),
    "a wrong throughput": (lambda history: history.finished.update({1: 2}), "throughput by stage"),
    "a wrong count of a worker": (lambda history: history.workers.update(bob=(2, 0)), "worker bob: done and failures"),
    "a wrong page": (lambda history: history.counters.update({2: (1, 0, 0, 0, 0)}), "a page shows"),
    "a broken database": (lambda history: history.problems.append("index missing"), "db check: index missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_the_checker_reports_each_violation(case: str, history: SmallHistory) -> None:
    change, sentence = BROKEN[case]
    change(history)
    assert any(sentence in violation for violation in found_violations(history)), found_violations(history)


def test_the_checker_reports_a_job_that_only_its_submission_names(history: SmallHistory) -> None:
    final = history.final
    final.jobs = {8: Job(4)}
    assert any("job 7 is lost" in violation for violation in violations(history.request_log, final))
