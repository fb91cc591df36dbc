"""Each rule of the checker finds its violation in a small history, and a correct history has none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.history.checker import violations
from tests.faults.history.final import Ended, Job
from tests.faults.history.story import Beat, End, Grant
from tests.faults.history.tale import ONE, TWO, Tale


@pytest.fixture
def tale() -> Tale:
    """A correct history."""
    return Tale()


def judged(tale: Tale) -> list[str]:
    """The violations that the checker finds."""
    return violations(tale.story, tale.final)


def test_a_correct_history_has_no_violation(tale: Tale) -> None:
    assert judged(tale) == []


def test_a_lost_claim_with_a_refused_report_is_not_a_violation(tale: Tale) -> None:
    tale.lost()
    assert judged(tale) == []


def test_a_request_without_a_response_may_be_done_or_not(tale: Tale) -> None:
    tale.first = replace(tale.first, deadline=0)
    tale.done = replace(tale.done, answered_at=None, status=None)
    tale.submission = replace(tale.submission, answered_at=None, status=None)
    tale.more = [End("ann", 20, None, None, job=7, claim="z", to=2)]
    assert judged(tale) == []


def test_a_repeated_report_is_not_a_violation(tale: Tale) -> None:
    tale.more = [replace(tale.done, at=30, answered_at=31)]
    assert judged(tale) == []


def test_a_report_of_a_founding_worker_may_win(tale: Tale) -> None:
    tale.over = replace(tale.over, answered_at=None, status=None)
    tale.more = [End("fay", 8, 9, 200, job=7, to=4, said={"result": "hers"})]
    tale.job = replace(tale.job, result="hers")
    assert judged(tale) == []


Change = Callable[[Tale], object]


def job(**changed: Any) -> Change:
    """Changes the final state of the job."""
    return lambda tale: setattr(tale, "job", replace(tale.job, **changed))


def part(name: str, **changed: Any) -> Change:
    """Changes a request or response."""
    return lambda tale: setattr(tale, name, replace(getattr(tale, name), **changed))


def more(*parts: object) -> Change:
    """Adds requests."""
    return lambda tale: tale.more.extend(parts)


def row(number: int, **changed: Any) -> Change:
    """Changes a row of the history."""
    return lambda tale: tale.ended.__setitem__(number, replace(tale.ended[number], **changed))


def lost(*changes: Change) -> Change:
    """Applies changes after claim a was lost."""

    def change(tale: Tale) -> None:
        tale.lost()
        for one in changes:
            one(tale)

    return change


BROKEN: dict[str, tuple[Change, str]] = {
    "a job that is held in the end": (job(stage=3, claim="b"), "job 7 is not done: stage 3, claim b"),
    "a job that is flagged in the end": (job(overdue=1), "job 7 is not done"),
    "a job that was done twice": (
        lambda tale: tale.ended.append(Ended(7, "b2", 3, 4, "completed", 8600, "bob")), "job 7 was done 2 times"
    ),
    "a job that is done without a claim": (lambda tale: tale.ended.clear(), "job 7 was done 0 times"),
    "a claim from where the job is not": (row(0, to=0, kind="released"), "left in stage 0, and then claimed from 2"),
    "a claim that ended twice": (lambda tale: tale.ended.append(tale.ended[0]), "ended before"),
    "an end in a stage that does not exist": (row(1, to=6), "a way that there isn't"),
    "an event that its status forbids": (
        lambda tale: tale.steps.insert(1, ("claimed", 1, 1)), "was working in stage 1, and then claimed"
    ),
    "an event from another stage": (lambda tale: tale.steps.pop(1), "was working in stage 1, and then claimed"),
    "events that lead elsewhere": (lambda tale: tale.steps.pop(), "its events lead to stage 3, working"),
    "a job where no claim brought it": (job(stage=2), "where no claim brought it"),
    "an acknowledged job that is lost": (
        lambda tale: tale.submission.jobs.update({8: None}), "job 8 is lost: acknowledged to sue at 1.000 s"
    ),
    "a job that nobody submitted": (lambda tale: tale.submission.jobs.clear(), "submitted by nobody"),
    "an acknowledged claim that is lost": (
        more(Grant("eve", 2, 3, 200, job=7, claim="e", jobcmd={"job": 1})),
        "claim e, granted to eve at 3.000 s, has vanished",
    ),
    "a claim that became another's": (row(0, worker="eve"), "ended as another's"),
    "a claim with a wrong attempt in its response": (part("first", attempt=2), "received attempt 2; it was number 1"),
    "an accepted report that is lost": (
        more(End("eve", 4, 5, 200, job=7, claim="e", to=2)), "the history has no end of that claim"
    ),
    "an accepted report of a lost claim": (
        lost(part("done", status=200, code=None)), "was accepted, though its claim was lost"
    ),
    "two founding reports accepted for one": (
        more(*[End("fay", 8, 9, 200, job=7, to=4, said={"result": TWO})] * 2), "2 reports to stage 4 without a claim"
    ),
    "a job that was refused and is there": (
        part("submission", status=503, code="database_busy"), "job 7 exists, though"
    ),
    "an end that was refused and is there": (
        part("over", status=503, code="database_busy"), "the report of bob was refused at 9.000 s"
    ),
    "a claim that no response granted": (
        lost(lambda tale: tale.client_tokens.update(c=1), lambda tale: tale.more.pop(0)),
        "though no response granted it",
    ),
    "a move without a report": (part("done", to=0), "no report asked for this end"),
    "a token with more jobs than requested": (
        lambda tale: tale.client_tokens.update({"b": 0}), "token b requested 0 jobs, and received 1"
    ),
    "a claim that is held after its end": (
        more(Beat("ann", 6, 6.1, 200, job=7, claim="a", state="held", deadline=5400)),
        "was held after 6.000 s, over since 5.000 s",
    ),
    "a claim that was lost and ends its job": (
        more(Beat("ann", 3.5, 3.6, 200, job=7, claim="a", state="lost")), "lost since 3.600 s, and ended after 4.000 s"
    ),
    "a report that was refused and is there": (
        part("done", status=409, code="claim_lost"), "its report was refused as lost, but took effect"
    ),
    "two claims at once": (part("second", at=3.5, answered_at=3.6), "two claims overlap"),
    "a claim beside one that a heartbeat found held": (
        lost(lambda tale: tale.more.append(Beat("ann", 5.9, 6, 200, job=7, claim="a", state="held", deadline=5400))),
        "two claims overlap",
    ),
    "a claim that expires too early": (lost(row(0, ended=4000)), "expired 1400 ms before its deadline"),
    "a renewed claim that expires too early": (lost(row(0, ended=5100)), "expired 300 ms before its deadline"),
    "a corrupted result": (job(result=ONE), "its result {'claim': 'a', 'stage': 1} is not of the claim that won"),
    "a corrupted jobcmd": (job(jobcmd=TWO), "its jobcmd {'claim': 'b', 'stage': 3} is not of the claim that won"),
    "a corrupted jobcmd that was handed on": (part("second", jobcmd=None), "bob was given the jobcmd None at 7.000 s"),
    "a counter that is off": (lambda tale: tale.counters.update({4: (2, 0, 0, 0)}), "stage 4: jobs, flagged, failed"),
    "throughput that is off": (lambda tale: tale.finished.update({1: 2}), "throughput by stage"),
    "a worker's count that is off": (lambda tale: tale.workers.update(bob=(2, 0)), "worker bob: done and failures"),
    "a page that is off": (lambda tale: tale.counters.update({2: (1, 0, 0, 0)}), "a page says"),
    "a database that is broken": (lambda tale: tale.problems.append("index gone"), "db check: index gone"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_the_checker_reports_each_violation(what: str, tale: Tale) -> None:
    change, sentence = BROKEN[what]
    change(tale)
    assert any(sentence in said for said in judged(tale)), judged(tale)


def test_the_checker_reports_a_job_that_only_its_submission_names(tale: Tale) -> None:
    final = tale.final
    final.jobs = {8: Job(4)}
    assert any("job 7 is lost" in said for said in violations(tale.story, final))
