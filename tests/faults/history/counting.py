"""Rules on numbers: counters, statistics and pages equal a recount of the jobs and of the history."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.story import Story


def counters_equal_a_recount(_story: Story, final: Final) -> Iterator[str]:
    """For each stage: all jobs, flagged jobs, failed jobs, and expired claims."""
    expired = Counter(one.stage for one in final.ended if one.kind == "requeued")
    for stage in sorted(final.counters.keys() | {job.stage for job in final.jobs.values()}):
        there = [job for job in final.jobs.values() if job.stage == stage]
        recount = (len(there), sum(job.flagged for job in there), sum(job.failed for job in there), expired[stage])
        kept = final.counters.get(stage, (0, 0, 0, 0))
        if kept != recount:
            yield f"stage {stage}: jobs, flagged, failed, expired are counted as {kept}; a recount says {recount}"


def statistics_equal_a_recount(_story: Story, final: Final) -> Iterator[str]:
    """Throughput, durations, and the counts of each worker."""
    done = Counter(one.stage for one in final.ended if one.to > one.stage)
    for what, kept in (("throughput", final.finished), ("durations", final.measured)):
        if kept != dict(done):
            yield f"{what} by stage: {kept}; a recount says {dict(done)}"
    by = Counter(one.worker for one in final.ended if one.to > one.stage)
    lost = Counter(one.worker for one in final.ended if one.kind == "requeued" or one.error is not None)
    for name, kept_of in final.workers.items():
        if kept_of != (by[name], lost[name]):
            yield f"worker {name}: done and failures {kept_of}; a recount says {(by[name], lost[name])}"


def pages_equal_the_database(_story: Story, final: Final) -> Iterator[str]:
    """The last numbers that each page received equal the counters."""
    held = {stage: (jobs, flagged, failed) for stage, (jobs, flagged, failed, _expired) in final.counters.items()}
    for who, numbers in final.pages:
        counts = numbers.get("stages", {}).items()
        shown = {int(stage): (count["jobs"], count["flagged"], count["failed"]) for stage, count in counts}
        if shown != held:
            yield f"{who} says, by stage, jobs, flagged and failed: {shown}; the database: {held}"


def database_check_finds_nothing(_story: Story, final: Final) -> Iterator[str]:
    """`db check`: orphans, indexes, the file."""
    yield from (f"db check: {line}" for line in final.problems)
