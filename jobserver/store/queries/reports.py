"""Progress and overview of a list: several queries on one snapshot of the database."""

from jobserver.core import stages
from jobserver.core.lists import JobList, Progress
from jobserver.core.overview import Overview, estimate, paces
from jobserver.store.connection import Connection
from jobserver.store.database import Database
from jobserver.store.queries import lists, statistics

SLOTS_MS = 25 * 60_000  # the estimate ignores older throughput


def progress(database: Database, job_list: JobList) -> Progress:
    """Returns the current progress of a list."""
    return database.look(lambda connection: _progress(connection, job_list))


def overview(database: Database, job_list: JobList, now: int) -> Overview:
    """Returns the overview of a list at `now` (ms)."""
    return database.look(lambda connection: _overview(connection, job_list, now))


def _progress(connection: Connection, job_list: JobList) -> Progress:
    counts, lifetimes = lists.counts(connection.all, job_list.id), lists.lifetimes(connection.all, job_list.id)
    return Progress(job_list.name, stages.last_stage(list(lifetimes), list(counts)), counts)


def _overview(connection: Connection, job_list: JobList, now: int) -> Overview:
    rows, list_id = connection.all, job_list.id
    progress = _progress(connection, job_list)
    slots = statistics.slots(rows, list_id, now - SLOTS_MS)
    span = statistics.span(rows, list_id)
    return Overview(
        progress,
        estimate(slots, progress.left(), span.first, span.last, span.jobs, now),
        paces(statistics.durations(rows, list_id), lists.lifetimes(rows, list_id), statistics.expired(rows, list_id)),
        statistics.holders(rows, list_id),
        lists.is_paused(rows, list_id),
    )
