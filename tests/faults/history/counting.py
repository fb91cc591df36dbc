"""Rules on numbers: counters, statistics and pages equal a recount of the jobs and of the history."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.request_log import RequestLog


def counters_equal_a_recount(_log: RequestLog, final: Final) -> Iterator[str]:
    """For each stage: all jobs, flagged jobs, failed jobs, expired claims, and cancelled jobs."""
    expired = Counter(end.stage for end in final.claim_ends if end.by_sweep)
    for stage in sorted(final.counters.keys() | {job.stage for job in final.jobs.values()}):
        jobs = [job for job in final.jobs.values() if job.stage == stage]
        outcomes = Counter(job.outcome for job in jobs)
        flagged = sum(job.flagged for job in jobs)
        recount = (len(jobs), flagged, outcomes["failed"], expired[stage], outcomes["cancelled"])
        counted = final.counters.get(stage, (0, 0, 0, 0, 0))
        if counted != recount:
            names = "jobs, flagged, failed, expired, cancelled"
            yield f"stage {stage}: {names} are counted as {counted}; the recount is {recount}"


def statistics_equal_a_recount(_log: RequestLog, final: Final) -> Iterator[str]:
    """Throughput, durations, and the counts of each worker."""
    done = Counter(end.stage for end in final.claim_ends if end.to > end.stage)
    for statistic, counted in (("throughput", final.finished), ("durations", final.measured)):
        if counted != dict(done):
            yield f"{statistic} by stage: {counted}; the recount is {dict(done)}"
    done_by = Counter(end.worker for end in final.claim_ends if end.to > end.stage)
    failures_by = Counter(end.worker for end in final.claim_ends if end.counts_as_failed)
    for name, of_worker in final.workers.items():
        recount = (done_by[name], failures_by[name])
        if of_worker != recount:
            yield f"worker {name}: done and failures {of_worker}; the recount is {recount}"


def pages_equal_the_database(_log: RequestLog, final: Final) -> Iterator[str]:
    """The last numbers that each page received equal the counters."""
    expected = {
        stage: (jobs, flagged, failed, cancelled)
        for stage, (jobs, flagged, failed, _expired, cancelled) in final.counters.items()
    }
    for page, numbers in final.pages:
        counts = numbers.get("stages", {}).items()
        numbers_on_page = {
            int(stage): (count["jobs"], count["flagged"], count["failed"], count.get("cancelled", 0))
            for stage, count in counts
        }
        if numbers_on_page != expected:
            yield f"{page} shows jobs, flagged, failed, cancelled by stage: {numbers_on_page}; the database: {expected}"


def database_check_finds_nothing(_log: RequestLog, final: Final) -> Iterator[str]:
    """`db check`: orphans, indexes, the file."""
    yield from (f"db check: {line}" for line in final.problems)
