"""Rules on each job's path: the order of its claims, according to the events in the database."""

from collections.abc import Iterator

from jobserver.core.states import EventKind, Outcome, Status, follow, status
from tests.faults.history.final import Ended, Final
from tests.faults.history.story import Story

FIRST, LAST = 0, 4


def named(one: Ended) -> str:
    """Describes an ended claim."""
    return f"claim {one.claim} of {one.worker} (from {one.stage} to {one.to}, {one.kind})"


def every_job_ends_done(_story: Story, final: Final) -> Iterator[str]:
    """Every job is in the last stage, not held, not flagged, and was brought there once."""
    for jobid, job in final.jobs.items():
        if (job.stage, job.claim) != (LAST, None) or job.flagged:
            state = f"claim {job.claim}, overdue {job.overdue}, outcome {job.outcome}"
            yield f"job {jobid} is not done: stage {job.stage}, {state}"
        times = sum(one.to == LAST for one in final.paths[jobid])
        if times != 1:
            yield f"job {jobid} was done {times} times: {'; '.join(map(named, final.paths[jobid]))}"


def no_path_is_broken(_story: Story, final: Final) -> Iterator[str]:
    """A claim begins in the stage where the previous one left the job, ends in an allowed stage, and ends once."""
    for jobid, path in final.paths.items():
        stage, seen = FIRST, set[str]()
        for one in path:
            if one.stage != stage + 1:
                yield f"job {jobid} was left in stage {stage}, and then claimed from {one.stage - 1}: {named(one)}"
            if one.claim in seen:
                yield f"job {jobid}: {named(one)} ended before"
            if one.to % 2 or one.to > one.stage + 1 or (one.kind == "completed") != (one.to == one.stage + 1):
                yield f"job {jobid} went a way that there isn't: {named(one)}"
            stage = one.to
            seen.add(one.claim)
        job = final.jobs.get(jobid)
        if job is not None and job.claim is None and job.stage != stage:
            yield f"job {jobid} is in stage {job.stage}, where no claim brought it: the last left it in {stage}"


def no_event_is_forbidden(_story: Story, final: Final) -> Iterator[str]:
    """The events of a job follow the table of transitions and lead to its final state."""
    for jobid, steps in final.steps.items():
        at, stage = Status.AVAILABLE, FIRST
        for kind, old, new in steps:
            after = follow(EventKind(kind), at)
            if after is None or old != stage:
                yield f"job {jobid} was {at.value} in stage {stage}, and then {kind} from stage {old}"
                break
            at, stage = after, new
        else:
            job = final.jobs.get(jobid)
            if job is not None and (at, stage) != (
                status(job.stage, bool(job.overdue), Outcome(job.outcome)),
                job.stage,
            ):
                yield f"job {jobid}: its events lead to stage {stage}, {at.value}; it is in stage {job.stage}"
