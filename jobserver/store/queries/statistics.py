"""Queries on the progress of a list, its throughput, durations and workers.

Most of them read small tables only: counters, slots, buckets and workers.
"""

from collections import defaultdict
from typing import NamedTuple

from jobserver.core import stages
from jobserver.core.lists import JobList, Progress
from jobserver.core.overview import Overview, Slot, estimate, paces
from jobserver.store.connection import Connection
from jobserver.store.database import Database
from jobserver.store.queries import lists
from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import ADD_THROUGHPUT, Transaction

MINUTE_S, HOUR_S = 60, 3600
SLOTS_MS = 25 * 60_000  # the estimate ignores older throughput

_SLOTS = """SELECT start, stage, SUM(jobs), SUM(busy_ms) FROM throughput WHERE list_id = :list AND start >= :since
    GROUP BY start, stage ORDER BY start"""
_SERIES = """SELECT start / :step * :step, stage, SUM(jobs), SUM(busy_ms) FROM throughput
    WHERE list_id = :list AND start >= :since GROUP BY 1, 2 ORDER BY 1, 2"""
_SPAN = "SELECT MIN(start), MAX(start), SUM(jobs) FROM throughput WHERE list_id = :list"
_DURATIONS = "SELECT stage, bucket, jobs FROM duration WHERE list_id = :list ORDER BY stage, bucket"
_EXPIRED = "SELECT stage, expired FROM stage_count WHERE list_id = :list AND expired > 0"
_COLUMNS = "SELECT name, first_heard, last_heard, done, failures FROM worker"
_WORKERS = f"{_COLUMNS} WHERE list_id = :list ORDER BY last_heard DESC, name DESC LIMIT :n"
_WORKERS_AFTER = f"""{_COLUMNS} WHERE list_id = :list AND (last_heard, name) < (:heard, :name)
    ORDER BY last_heard DESC, name DESC LIMIT :n"""
_HOLDERS = """SELECT COUNT(DISTINCT worker) + COUNT(DISTINCT CASE WHEN worker IS NULL THEN jobid END) FROM job
    WHERE list_id = :list AND jobstage % 2 = 1 AND claim IS NOT NULL AND overdue = 0"""
_HELD = "SELECT worker, COUNT(*) FROM job WHERE list_id = :list AND jobstage % 2 = 1 AND claim IS NOT NULL GROUP BY 1"

_OLD = """DELETE FROM throughput WHERE (list_id, stage, span_s, start) IN (
    SELECT list_id, stage, span_s, start FROM throughput WHERE span_s = :span AND start < :before LIMIT :n)
    RETURNING list_id, stage, start, jobs, busy_ms"""
ANY_OLD_SLOT = "SELECT 1 FROM throughput WHERE span_s = :span AND start < :before LIMIT 1"
ANY_OLD_WORKER = "SELECT 1 FROM worker WHERE list_id IN (SELECT id FROM job_list) AND last_heard < :before LIMIT 1"
_FORGET_WORKERS = """DELETE FROM worker WHERE (list_id, name) IN (
    SELECT list_id, name FROM worker WHERE last_heard < :before ORDER BY list_id, last_heard LIMIT :n)"""


class Span(NamedTuple):
    """The first and the latest slot (ms), and the number of completed stages; None and 0 if there are none."""

    first: int | None
    last: int | None
    jobs: int


class WorkerRow(NamedTuple):
    """A worker in the table of workers. Times in ms since 1970."""

    name: str
    first_heard: int
    last_heard: int
    done: int
    failures: int


def progress(database: Database, job_list: JobList) -> Progress:
    """Returns the current progress of a list."""
    return database.look(lambda connection: _progress(connection, job_list))


def overview(database: Database, job_list: JobList, now: int) -> Overview:
    """Returns the overview of a list at `now` (ms)."""
    return database.look(lambda connection: _overview(connection, job_list, now))


def slots(rows: Rows, list_id: int, since: int) -> list[Slot]:
    """Returns the throughput since a time (ms), in the finest stored slots."""
    return [Slot(*map(int, row)) for row in rows(_SLOTS, list=list_id, since=since)]


def series(rows: Rows, list_id: int, since: int, step_ms: int) -> list[Slot]:
    """Returns the throughput since a time (ms), in slots of step_ms, for a chart."""
    return [Slot(*map(int, row)) for row in rows(_SERIES, list=list_id, since=since, step=step_ms)]


def span(rows: Rows, list_id: int) -> Span:
    """Returns the span of all throughput."""
    first, last, jobs = rows(_SPAN, list=list_id)[0]
    return Span(first, last, int(jobs or 0))


def durations(rows: Rows, list_id: int) -> dict[int, dict[int, int]]:
    """Returns the histogram of durations of each working stage: jobs by bucket."""
    histograms: dict[int, dict[int, int]] = defaultdict(dict)
    for stage, bucket, jobs in rows(_DURATIONS, list=list_id):
        histograms[stage][bucket] = jobs
    return dict(histograms)


def expired(rows: Rows, list_id: int) -> dict[int, int]:
    """Returns the number of timeouts so far, by stage."""
    return {row[0]: row[1] for row in rows(_EXPIRED, list=list_id)}


def workers(rows: Rows, list_id: int, n: int, after: tuple[int, str] | None = None) -> list[WorkerRow]:
    """Returns up to n workers, last heard first, after (last_heard, name) if given."""
    if after is None:
        return [WorkerRow(*row) for row in rows(_WORKERS, list=list_id, n=n)]
    return [WorkerRow(*row) for row in rows(_WORKERS_AFTER, list=list_id, n=n, heard=after[0], name=after[1])]


def holders(rows: Rows, list_id: int) -> int:
    """Returns the number of workers that hold a job in time; a worker without a name counts once for each job."""
    return int(rows(_HOLDERS, list=list_id)[0][0])


def held(rows: Rows, list_id: int) -> dict[str | None, int]:
    """Returns the number of jobs that each worker holds."""
    return {row[0]: row[1] for row in rows(_HELD, list=list_id)}


def fold(tx: Transaction, span_s: int, into_s: int, before: int, n: int) -> int:
    """Merges up to n slots of span_s that began before a time into slots of into_s; returns the number of old slots."""
    old = tx.all(_OLD, span=span_s, before=before, n=n)
    merged: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for list_id, stage, start, jobs, busy in old:
        slot = merged[list_id, stage, start // (into_s * 1000) * into_s * 1000]
        slot[0] += jobs
        slot[1] += busy
    for (list_id, stage, start), (jobs, busy) in sorted(merged.items()):
        tx.run(ADD_THROUGHPUT, list=list_id, stage=stage, span=into_s, start=start, jobs=jobs, busy=busy)
    return len(old)


def forget_workers(tx: Transaction, before: int, n: int) -> int:
    """Deletes up to n workers that were last heard before a time; returns their number."""
    return tx.run(_FORGET_WORKERS, before=before, n=n)


def _progress(connection: Connection, job_list: JobList) -> Progress:
    counts, lifetimes = lists.counts(connection.all, job_list.id), lists.lifetimes(connection.all, job_list.id)
    last_stage = stages.last_stage(list(lifetimes), list(counts))
    return Progress(job_list.name, last_stage, counts, bool(job_list.archived))


def _overview(connection: Connection, job_list: JobList, now: int) -> Overview:
    rows, list_id = connection.all, job_list.id
    progress = _progress(connection, job_list)
    recent, whole = slots(rows, list_id, now - SLOTS_MS), span(rows, list_id)
    return Overview(
        progress,
        estimate(recent, progress.left(), whole.first, whole.last, whole.jobs, now),
        paces(durations(rows, list_id), lists.lifetimes(rows, list_id), expired(rows, list_id)),
        holders(rows, list_id),
        lists.is_paused(rows, list_id),
    )
