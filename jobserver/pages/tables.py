"""The tables of the progress page: jobs that need attention, running jobs, and the jobs that match the filter."""

from typing import Any

from flask import request

from jobserver.core.lists import JobList, Sort
from jobserver.jobs.clock import now_ms
from jobserver.pages import page_query
from jobserver.store.connection import Connection
from jobserver.store.queries import listing, statistics
from jobserver.store.queries.listing import Page
from jobserver.web.services import services

JOBS_PER_PAGE = 50


def tables(job_list: JobList) -> dict[str, Any]:
    """Returns the variables of jobs.html and rows.html, for the filter and order of the URL."""
    database, which, order, after = services().database, page_query.which(), page_query.sort(), page_query.after()
    progress = statistics.progress(database, job_list)
    place = None if order == Sort("job") else page_query.value_after(order)

    def read(connection: Connection) -> Page:
        rows, last_stage = connection.all, progress.last_stage
        if order == Sort("job"):
            return listing.page(rows, job_list.id, which, last_stage, after, JOBS_PER_PAGE)
        jobs = progress.jobs
        return listing.sorted_page(connection, job_list.id, jobs, which, last_stage, order, place, JOBS_PER_PAGE)

    page = database.look(read, long=True)
    trouble, at_work = [], []
    if after < 0 and not which:
        trouble = database.look(lambda connection: listing.flagged(connection.all, job_list.id, JOBS_PER_PAGE))
        at_work = database.look(lambda connection: listing.at_work(connection.all, job_list.id, JOBS_PER_PAGE))
    return {
        "job_list": job_list,
        "progress": progress,
        "page": page,
        "trouble": trouble,
        "at_work": at_work,
        "which": which,
        "order": order,
        "now": now_ms(),
        "shown": JOBS_PER_PAGE,
        "first": after < 0,
        "address": {name: value for name, value in request.args.items() if name not in ("after", "value") and value},
    }
