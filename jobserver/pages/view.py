"""The view of a page: its list, filter, order and position, parsed from the URL, so that it can be shared.

tables() reads the jobs of the view: jobs that need attention, running jobs, and the jobs that match the filter.
"""

from typing import Any

from flask import request, url_for

from jobserver.core.errors import BadRequest, NoSuchList
from jobserver.core.lists import SORTS, STATES, Filter, JobList, Sort
from jobserver.jobs.clock import now_ms
from jobserver.store.connection import Connection
from jobserver.store.queries import listing, lists, statistics
from jobserver.store.queries.listing import Page
from jobserver.web import parsing
from jobserver.web.services import services

MAX_TEXT = 200
JOBS_PER_PAGE = 50


def job_list() -> JobList:
    """Returns the list that `list=` names; raises NoSuchList."""
    name = request.values.get("list", "").replace("\x00", "\ufffd")
    if not name:
        raise NoSuchList(f"Name a list in the parameter list, as in {request.path}?list=NAME. {_where()}")
    job_list = lists.by_name(services().database.read, name)
    if job_list is None:
        raise NoSuchList(f"No list is named {name[:100]!r}. {_where()}")
    return job_list


def _where() -> str:
    return f"The lists are at {url_for('pages.progress_page')}."


def which(source: Any = None) -> Filter:
    """Parses the filter of the URL, or of a form; raises BadRequest."""
    values = request.args if source is None else source
    state = values.get("state") or None
    if state is not None and state not in STATES:
        raise BadRequest(f"state is one of {', '.join(STATES)}, not {state[:40]!r}.")
    return Filter(
        stage=_number(values, "stage", 10**9),
        state=state,
        worker=_text(values, "worker"),
        jobid=_number(values, "job"),
        text=_text(values, "q"),
    )


def sort() -> Sort:
    """Parses the order of the URL; raises BadRequest."""
    by = request.args.get("sort") or "job"
    if by not in SORTS:
        raise BadRequest(f"sort is one of {', '.join(SORTS)}, not {by[:40]!r}.")
    return Sort(by, request.args.get("down") == "1")


def after() -> int:
    """Parses the job id after which the page begins; -1 for the first page."""
    text = request.args.get("after", "")
    return parsing.whole_number(text, "after") if text else -1


def value_after(order: Sort) -> tuple[Any, int] | None:
    """Parses the value and job id after which a page of a sorted view begins; None for the first page."""
    if not request.args.get("after"):
        return None
    text = request.args.get("value", "")
    if order.by == "worker":
        return text.replace("\x00", ""), after()
    return parsing.signed_number(text, "value"), after()


def tables(job_list: JobList) -> dict[str, Any]:
    """Returns the variables of jobs.html and rows.html, for the filter and order of the URL."""
    database, filtered, order, position = services().database, which(), sort(), after()
    progress = statistics.progress(database, job_list)
    place = None if order == Sort("job") else value_after(order)

    def read(connection: Connection) -> Page:
        rows, last_stage = connection.all, progress.last_stage
        if order == Sort("job"):
            return listing.page(rows, job_list.id, filtered, last_stage, position, JOBS_PER_PAGE)
        jobs = progress.jobs
        return listing.sorted_page(connection, job_list.id, jobs, filtered, last_stage, order, place, JOBS_PER_PAGE)

    page = database.look(read, long=True)
    attention, at_work = [], []
    if position < 0 and not filtered:
        attention = database.look(lambda connection: listing.flagged(connection.all, job_list.id, JOBS_PER_PAGE))
        at_work = database.look(lambda connection: listing.at_work(connection.all, job_list.id, JOBS_PER_PAGE))
    return {
        "job_list": job_list,
        "progress": progress,
        "page": page,
        "attention": attention,
        "at_work": at_work,
        "which": filtered,
        "order": order,
        "now": now_ms(),
        "shown": JOBS_PER_PAGE,
        "first": position < 0,
        "address": {name: value for name, value in request.args.items() if name not in ("after", "value") and value},
    }


def _number(values: Any, name: str, highest: int = 2**63 - 1) -> int | None:
    text = (values.get(name) or "").strip()
    return parsing.whole_number(text, name, highest) if text else None


def _text(values: Any, name: str) -> str | None:
    text = (values.get(name) or "").strip().replace("\x00", "")
    if len(text) > MAX_TEXT:
        raise BadRequest(f"{name} is at most {MAX_TEXT} characters.")
    return text or None
