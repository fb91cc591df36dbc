"""The rules about our own client, cancels and outages find their violations in a small history."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.history.checker import violations
from tests.faults.history.final import ClaimEnd, Step
from tests.faults.history.request_log import Outage
from tests.faults.history.small_history import SmallHistory

OUTAGE = Outage(at=3.5, start_ms=3000, end_ms=5420)


@pytest.fixture
def history() -> SmallHistory:
    """A correct history, in which our own client does the first stage."""
    history = SmallHistory()
    history.by_a_client()
    return history


def found_violations(history: SmallHistory) -> list[str]:
    """The violations that the checker finds."""
    return violations(history.request_log, history.final)


def test_an_accepted_output_that_is_published_is_not_a_violation(history: SmallHistory) -> None:
    assert found_violations(history) == []


def test_a_refused_result_that_was_set_aside_is_not_a_violation(history: SmallHistory) -> None:
    refuse(history)
    history.set_aside.add((7, "a"))
    assert found_violations(history) == []


def test_a_claim_that_is_lost_after_the_grace_is_not_a_violation(history: SmallHistory) -> None:
    refuse(history)
    history.set_aside.add((7, "a"))
    history.outages.append(OUTAGE)
    history.claim_ends[0] = replace(history.claim_ends[0], ended_ms=OUTAGE.end_ms + OUTAGE.length_ms)
    assert found_violations(history) == []


def refuse(history: SmallHistory) -> None:
    """Makes the claim of the client lost, and its report refused."""
    history.lost()
    history.claim_ends[0] = replace(history.claim_ends[0], worker="client-1")
    history.workers = {"client-1": (0, 1), "bob": (1, 0), "cat": (1, 0)}
    history.outputs.clear()


def lose_in_grace(history: SmallHistory) -> None:
    """Makes the claim of the client lost at once after an outage."""
    refuse(history)
    history.set_aside.add((7, "a"))
    history.outages.append(OUTAGE)


def fail(history: SmallHistory) -> None:
    """Makes an interrupted attempt of the client count as failed."""
    end = ClaimEnd(7, "z", 1, 0, "released", 4000, "client-1", "killed by SIGTERM")
    history.claim_ends.insert(0, end)
    history.steps[1:1] = [Step("released", 1, 0, "z", end.message), Step("claimed", 0, 1)]


def cancel(history: SmallHistory) -> None:
    """Makes the first attempt cancelled, though its result stays with the job."""
    history.claim_ends[0] = replace(history.claim_ends[0], to=1, kind="cancelled", message="cancelled")


def cancel_waiting(history: SmallHistory) -> None:
    """Cancels the job while it waits."""
    history.steps[:0] = [Step("cancelled", 0, 1), Step("requeued", 1, 0)]


def find_wrong_input(history: SmallHistory) -> None:
    """Makes the worker of the second stage refuse its input."""
    message = "invalid: the input /out does not exist; expected 44 bytes"
    history.claim_ends.insert(1, ClaimEnd(7, "z", 3, 2, "released", 7000, "client-2", message))


BROKEN: dict[str, tuple[Callable[[SmallHistory], object], str]] = {
    "an output that was not published": (lambda history: history.outputs.clear(), "was not published, though accepted"),
    "an output of another attempt": (
        lambda history: history.outputs.update({(7, 1): ".jm-7-2-c\n.jm-7-2-c\n"}), "not that of claim a of client-1"
    ),
    "an incomplete output": (
        lambda history: history.outputs.update({(7, 1): ".jm-7-1-a\n"}), "not that of claim a of client-1"
    ),
    "an output without an accepted report": (
        lambda history: history.outputs.update({(8, 1): ".jm-8-1-x\n"}), "and no report of it was accepted"
    ),
    "an input that is missing": (find_wrong_input, "the input /out does not exist"),
    "a result that was never delivered": (
        lambda history: setattr(history, "report_a", replace(history.report_a, status=None, answered_at=None)),
        "the result of client-1 with claim a was never delivered",
    ),
    "a result that the client may still repeat": (
        lambda history: setattr(
            history, "report_a", replace(history.report_a, status=409, code="claim_spent", left_in=None)
        ),
        "was never delivered",
    ),
    "a refused result that was deleted": (refuse, "the refused result of client-1 with claim a was not set aside"),
    "a report that stays in the outbox": (
        lambda history: history.undelivered.update({"node-1.jsonl": 2}), "the outbox has 2 undelivered reports"
    ),
    "an interrupted attempt that counts": (fail, "an interrupted attempt counts as failed"),
    "a result of a cancelled attempt": (cancel, "a result of a cancelled attempt was used"),
    "a waiting job that nobody cancelled": (cancel_waiting, "cancelled while it waited, and nobody requested it"),
    "a claim that is lost after an outage": (lose_in_grace, "lost 80 ms after an outage of 2420 ms"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_the_checker_reports_each_violation(case: str, history: SmallHistory) -> None:
    change, sentence = BROKEN[case]
    change(history)
    assert any(sentence in violation for violation in found_violations(history)), found_violations(history)
