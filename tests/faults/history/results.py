"""A rule on results: no corrupted result reaches the next stage."""

from collections.abc import Iterator
from typing import Any

from tests.faults.history.final import Ended, Final
from tests.faults.history.story import Story

NOTHING = object()


def results_come_from_the_winning_claim(story: Story, final: Final) -> Iterator[str]:
    """A job's result and its next jobcmd are those of the report that ended the claim.

    The data of a report without a token is accepted too, where that report may have ended the claim.
    """
    first = {job: jobcmd for one in story.submissions for job, jobcmd in one.jobs.items()}

    def meant(path: list[Ended], what: str) -> list[Any]:
        """The values of the last report that has this field; several if the report is not certain."""
        found: list[Any] = []
        for one in reversed(path):
            said = [end.said.get(what, NOTHING) for end in story.causes(one)]
            found += [value for value in said if value is not NOTHING]
            if said and NOTHING not in said:
                return found
        return [*found, first.get(path[0].job) if path and what == "jobcmd" else None]

    for job, kept in final.jobs.items():
        path = final.paths[job]
        for what, found in (("result", kept.result), ("jobcmd", kept.jobcmd)):
            if path and found not in meant(path, what):
                yield f"job {job}: its {what} {found} is not of the claim that won, which said {_or(meant(path, what))}"
    places = {(one.job, one.claim): number for path in final.paths.values() for number, one in enumerate(path)}
    for grant in story.grants:
        number = places.get((grant.job, grant.claim))
        if number is None:
            continue
        path = final.paths[grant.job][:number]
        wanted = meant(path, "jobcmd") if path else [first.get(grant.job)]
        if grant.jobcmd not in wanted:
            yield (
                f"job {grant.job}: {grant.who} was given the jobcmd {grant.jobcmd} at {story.clock(grant.answered_at)};"
                f" the claim that won before said {_or(wanted)}"
            )


def _or(values: list[Any]) -> str:
    return " or ".join(sorted(map(str, values)))
