"""Rules on each job's path: the order of its claims, according to the events in the database."""

from collections.abc import Iterator

from jobserver.core.states import CHANGES_NO_STATUS, EventKind, Outcome, Status, follow, status
from tests.faults.history.final import ClaimEnd, Final
from tests.faults.history.request_log import RequestLog

FIRST, LAST = 0, 4


def describe(end: ClaimEnd) -> str:
    """Describes an ended claim."""
    return f"claim {end.claim} of {end.worker} (from {end.stage} to {end.to}, {end.kind})"


def every_job_ends_done(_log: RequestLog, final: Final) -> Iterator[str]:
    """Every job is in the last stage, not held, not flagged, and was brought there once."""
    for jobid, job in final.jobs.items():
        if (job.stage, job.claim) != (LAST, None) or job.flagged:
            state = f"claim {job.claim}, overdue {job.overdue}, outcome {job.outcome}"
            yield f"job {jobid} is not done: stage {job.stage}, {state}"
        times = sum(end.to == LAST for end in final.paths[jobid])
        if times != 1:
            yield f"job {jobid} was done {times} times: {'; '.join(map(describe, final.paths[jobid]))}"


def no_path_is_broken(_log: RequestLog, final: Final) -> Iterator[str]:
    """A claim begins in the stage where the previous one left the job, ends in an allowed stage, and ends once."""
    for jobid, path in final.paths.items():
        stage, seen, before = FIRST, set[str](), None
        for end in path:
            if end.stage != stage + 1:
                yield f"job {jobid} was left in stage {stage}, and then claimed from {end.stage - 1}: {describe(end)}"
            if end.claim in seen and not end.is_late(before):
                yield f"job {jobid}: {describe(end)} ended before"
            if not _is_allowed(end):
                yield f"job {jobid} made a move that is not allowed: {describe(end)}"
            # A failed job stays. The run returns it to the stage before: see Parts.drain().
            stage = end.stage - 1 if end.has_failed else end.to
            seen.add(end.claim)
            before = end
        job = final.jobs.get(jobid)
        if job is not None and job.claim is None and job.stage != stage:
            yield f"job {jobid} is in stage {job.stage}, but its last claim left it in stage {stage}"


def _is_allowed(end: ClaimEnd) -> bool:
    if end.has_failed:
        return end.to == end.stage
    return end.to % 2 == 0 and end.to <= end.stage + 1 and (end.kind == "completed") == (end.to == end.stage + 1)


def no_event_is_forbidden(_log: RequestLog, final: Final) -> Iterator[str]:
    """The events of a job follow the table of transitions and lead to its final state."""
    for jobid, steps in final.steps.items():
        current, stage = Status.AVAILABLE, FIRST
        for step in steps:
            if (kind := EventKind(step.kind)) in CHANGES_NO_STATUS:
                continue
            after = follow(kind, current)
            if after is None or step.old != stage:
                yield f"job {jobid} was {current.value} in stage {stage}, and then {step.kind} from stage {step.old}"
                break
            current, stage = after, step.new
        else:
            job = final.jobs.get(jobid)
            if job is not None and (current, stage) != (
                status(job.stage, bool(job.overdue), Outcome(job.outcome)),
                job.stage,
            ):
                yield f"job {jobid}: its events lead to stage {stage}, {current.value}; it is in stage {job.stage}"
