"""The tables of the progress page: what needs somebody, what is being worked on, and all jobs by the filter."""

from typing import Any

from flask import request

from jobserver.core.filters import Sort
from jobserver.core.lists import JobList
from jobserver.jobs.clock import now_ms
from jobserver.pages import page_query
from jobserver.store.connection import Connection
from jobserver.store.queries import listing, reports, sorting
from jobserver.store.queries.listing import Page
from jobserver.web.services import services

SHOWN = 50  # jobs on a page


def of(job_list: JobList) -> dict[str, Any]:
    """What rows.html shows."""
    database, which, order, after = services().database, page_query.which(), page_query.sort(), page_query.after()
    shown, place = reports.progress(database, job_list), None if order == Sort("job") else page_query.value_after(order)

    def look(one: Connection) -> Page:
        if order == Sort("job"):
            return listing.page(one.all, job_list.id, which, shown.last_stage, after, SHOWN)
        return sorting.sorted_page(one, job_list.id, shown.jobs, which, shown.last_stage, order, place, SHOWN)

    page = database.look(look, long=True)
    top = after < 0 and not which
    trouble = database.look(lambda one: listing.flagged(one.all, job_list.id, SHOWN)) if top else []
    at_work = database.look(lambda one: listing.at_work(one.all, job_list.id, SHOWN)) if top else []
    return {
        "progress": shown, "page": page, "trouble": trouble, "at_work": at_work, "which": which, "order": order,
        "now": now_ms(), "shown": SHOWN, "first": after < 0,
        "address": {name: value for name, value in request.args.items() if name not in ("after", "value") and value},
    }  # fmt: skip
