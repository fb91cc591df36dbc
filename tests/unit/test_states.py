"""The table of transitions: every status can be reached and left, and docs/states.md shows the table."""

from pathlib import Path

from jobserver.core.states import TRANSITIONS, EventKind, Outcome, Status, follow, status

DOCS = Path(__file__).resolve().parents[2] / "docs/states.md"


def reachable(start: Status) -> set[Status]:
    """The statuses that some events lead to."""
    seen, unvisited = {start}, [start]
    while unvisited:
        before = unvisited.pop()
        for after in {step.after for step in TRANSITIONS if step.before is before} - seen:
            seen.add(after)
            unvisited.append(after)
    return seen


def test_every_status_leads_to_every_other() -> None:
    for start in Status:
        assert reachable(start) == set(Status)


def test_an_event_leads_to_one_status() -> None:
    assert len({(step.kind, step.before) for step in TRANSITIONS}) == len(TRANSITIONS)


def test_held_and_ended_jobs_cannot_be_claimed() -> None:
    for before in (Status.WORKING, Status.WORKING_OVERDUE, Status.FAILED, Status.CANCELLED):
        assert follow(EventKind.CLAIMED, before) is None


def test_columns_express_each_status_once() -> None:
    columns = [(0, False, Outcome.NONE), (0, True, Outcome.NONE), (1, False, Outcome.NONE), (1, True, Outcome.NONE),
               (1, False, Outcome.FAILED), (1, False, Outcome.CANCELLED)]  # fmt: skip
    assert sorted(status(*row).value for row in columns) == sorted(each.value for each in Status)


def test_the_documentation_shows_the_table() -> None:
    table = DOCS.read_text().partition("| event |")[2]
    rows = {line for line in table.splitlines() if line.startswith("| `")}
    assert rows == {f"| `{step.kind.value}` | {step.before.value} | {step.after.value} |" for step in TRANSITIONS}
