"""A rule on what is handed on: no corrupted result moves on."""

from collections.abc import Iterator
from typing import Any

from tests.faults.history.final import Ended, Final
from tests.faults.history.story import Story

NOTHING = object()


def what_moves_on_is_of_the_claim_that_won(story: Story, final: Final) -> Iterator[str]:
    """A job's result, and the jobcmd that the next worker got, are those that were reported with the claim that ended.

    Where a founding worker may have ended it, which proves nothing, what it said will do too.
    """
    first = {job: jobcmd for one in story.submissions for job, jobcmd in one.jobs.items()}

    def meant(path: list[Ended], what: str) -> list[Any]:
        """What the last claim that said something of this kind said; several where that can't be known."""
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
                f"job {grant.job}: {grant.who} was given the jobcmd {grant.jobcmd} at {story.clock(grant.told_at)};"
                f" the claim that won before said {_or(wanted)}"
            )


def _or(values: list[Any]) -> str:
    return " or ".join(sorted(map(str, values)))
