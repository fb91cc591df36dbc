"""The pages of lists, jobs, lifetimes and workers, the version at `/`, and the client as one file at `/jm.pyz`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as AnyResponse

from job_manager_wire import list_shapes
from jobserver.core import lifetimes
from jobserver.core.errors import NoSuchJob
from jobserver.core.lifetimes import Lifetime
from jobserver.core.lists import Count, JobList, Progress
from jobserver.core.resources import resource
from jobserver.core.stages import DEFAULT_LAST_STAGE
from jobserver.core.version import __version__
from jobserver.jobs.clock import now_ms
from jobserver.pages import live_data, view
from jobserver.store.queries import host_records, late_results, listing, lists, replicas, statistics
from jobserver.web import parameters, parsing
from jobserver.web.errors import wants_html
from jobserver.web.request import Call, job_list_of, jobix_of
from jobserver.web.responses import json_response
from jobserver.web.services import services

blueprint = Blueprint("pages", __name__)
CLIENT_FILE = "static/jm.pyz"  # for machines that have only Python
WORKERS_PER_PAGE = 50
MAX_ASIDE = 200  # hosts on the page of workers
MAX_STAGES = 200  # on the page of lifetimes
MAX_HISTORY = 200  # entries on the page of a job
MAX_TEXT = 100_000  # characters of a jobcmd or result


@dataclass(frozen=True)
class StageRow:
    """One stage on the page of lifetimes. `took`: a histogram of durations, by bucket."""

    stage: int
    lifetime: Lifetime
    count: Count | None
    took: dict[int, int]
    expired: int

    @property
    def proposal_ms(self) -> int | None:
        """The lifetime that fits the durations, in ms."""
        return lifetimes.proposal_ms(self.took)


@blueprint.get("/")
def hello() -> AnyResponse:
    """Name and version; browsers are redirected to the pages."""
    if wants_html():
        return redirect(url_for("pages.progress_page"))
    return Response(f"job_manager {__version__}\n", mimetype="text/plain")


@blueprint.get("/get")
def progress_page() -> AnyResponse:
    """The progress of one list, or of all lists."""
    return _page_or_json(_progress_html, _progress_json)


@blueprint.get("/lifetime")
def lifetime_page() -> AnyResponse:
    """The lifetimes of a list's stages."""
    return _page_or_json(_lifetimes_html, _lifetimes_json)


@blueprint.get("/job/<jobid>")
def job_page(jobid: str) -> Response:
    """One job with its history."""
    job_list, number = view.job_list(), parsing.whole_number(jobid, "A job's id")
    database = services().database
    job, results, late = database.look(
        lambda connection: (
            listing.detail(connection.all, job_list.id, number, MAX_HISTORY),
            replicas.shown(connection.all, job_list.id, number),
            late_results.of_job(connection.all, job_list.id, number),
        )
    )
    if job is None:
        raise NoSuchJob(f"The list {job_list.name} has no job {number}.")
    return _html("job.html", job_list, job=job, results=results, late=late, now=now_ms(), most=MAX_TEXT)


@blueprint.get("/workers")
def workers_page() -> AnyResponse:
    """The workers of a list."""
    return _page_or_lists(_workers_html)


def _workers_html(job_list: JobList) -> Response:
    """The workers, last seen first."""
    seen = request.args.get("heard", "")
    after = (parsing.whole_number(seen, "heard"), request.args.get("name", "").replace("\x00", "")) if seen else None
    workers, held, hosts, aside = services().database.look(
        lambda connection: (
            statistics.workers(connection.all, job_list.id, WORKERS_PER_PAGE + 1, after),
            statistics.held(connection.all, job_list.id),
            replicas.records(connection.all, job_list.id, WORKERS_PER_PAGE) if after is None else [],
            host_records.set_aside(connection.all, job_list.id, MAX_ASIDE) if after is None else [],
        )
    )
    page = {
        "workers": workers,
        "held": held,
        "hosts": hosts,
        "aside": aside,
        "now": now_ms(),
        "shown": WORKERS_PER_PAGE,
        "first": not after,
    }
    return _html("workers.html", job_list, **page)


@blueprint.get("/jm.pyz")
def jm_pyz() -> Response:
    """The client as a Python zip application."""
    path = resource(CLIENT_FILE)
    if not path.is_file():
        abort(404, "This server has no jm.pyz. Run `make worker` in the server's checkout to build it.")
    return send_file(path, mimetype="application/zip", as_attachment=True, conditional=True)


def _page_or_json(page: Callable[[JobList], Response], for_programs: Callable[[Call], Any]) -> AnyResponse:
    """Returns the page of the list in the URL, or of all lists; JSON for programs that send a jobix."""
    if "jobix" in request.headers and not wants_html():
        call = Call(request.environ, services())
        parameters.require_accepted(request.path, call.query)
        return json_response(for_programs(call))
    return _page_or_lists(page)


def _page_or_lists(page: Callable[[JobList], Response]) -> AnyResponse:
    """Returns the page of the list in the URL, or of all lists."""
    if request.args.get("list") is not None:
        return page(view.job_list())
    database, endpoint = services().database, request.endpoint or "pages.progress_page"
    known = lists.all_lists(database.read)
    if len(known) == 1 and not known[0].archived:
        return redirect(url_for(endpoint, list=known[0].name))
    archived = request.args.get("archived") == "1"
    shown = [statistics.progress(database, job_list) for job_list in known if bool(job_list.archived) == archived]
    others = len(known) - len(shown)
    return _no_store(render_template("lists.html", lists=shown, archived=archived, others=others, here=endpoint))


def _progress_json(call: Call) -> list_shapes.ListProgress:
    """Returns the progress of a list for programs: `/get` without a stage."""
    job_list = call.services.keys.look_up(jobix_of(call))
    if job_list is None:
        return Progress("", DEFAULT_LAST_STAGE, {}).as_response()
    page = url_for("pages.progress_page", list=job_list.name)
    return {**statistics.progress(call.services.database, job_list).as_response(), "page": page}


def _lifetimes_json(call: Call) -> dict[str, list_shapes.StageLifetime]:
    """Returns the lifetimes of a list for programs: `/lifetime` without a stage."""
    job_list = job_list_of(call, jobix_of(call))
    stored = lists.lifetimes(call.services.database.read, job_list.id) if job_list else {}
    return {str(stage): lifetime.as_response() for stage, lifetime in stored.items()}


def _progress_html(job_list: JobList) -> Response:
    now = now_ms()
    overview = statistics.overview(services().database, job_list, now)
    page = view.tables(job_list) | {"overview": overview, "now": now, "chart_installed": live_data.library("uplot")}
    return _no_store(render_template("progress.html", **page))


def _lifetimes_html(job_list: JobList) -> Response:
    database = services().database
    progress = statistics.progress(database, job_list)
    stored, took, expired = database.look(
        lambda connection: (
            lists.lifetimes(connection.all, job_list.id),
            statistics.durations(connection.all, job_list.id),
            statistics.expired(connection.all, job_list.id),
        )
    )
    known = {*progress.stages, *stored}
    rows = [
        StageRow(
            stage,
            stored.get(stage, Lifetime(stage)),
            progress.stages.get(stage),
            took.get(stage, {}),
            expired.get(stage, 0),
        )
        for stage in _shown_stages(known, progress.last_stage)
    ]
    return _html("lifetime.html", job_list, rows=rows, more=max(0, len(known) - MAX_STAGES))


def _shown_stages(known: set[int], last_stage: int) -> list[int]:
    """Returns the stages with jobs or a lifetime, then the others up to the last stage; at most MAX_STAGES."""
    unused = [stage for stage in range(min(last_stage, MAX_STAGES) + 1) if stage not in known]
    return sorted([*sorted(known), *unused][:MAX_STAGES])


def _html(template: str, job_list: JobList, **values: Any) -> Response:
    """Renders a page of one list."""
    progress = statistics.progress(services().database, job_list)
    return _no_store(render_template(template, job_list=job_list, progress=progress, **values))


def _no_store(html: str) -> Response:
    response = Response(html, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    return response
