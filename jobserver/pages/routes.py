"""What a person sees, and the line at `/`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobserver.core import durations, progress
from jobserver.core.errors import NoSuchJob
from jobserver.core.lifetimes import Lifetime
from jobserver.core.lists import Count, JobList
from jobserver.core.progress import Progress
from jobserver.core.stages import DEFAULT_LAST_STAGE
from jobserver.core.version import __version__
from jobserver.jobs.clock import now_ms
from jobserver.pages import page_query, tables
from jobserver.store.queries import listing, lists, reports, statistics
from jobserver.web import auth, parsing
from jobserver.web.errors import wants_html
from jobserver.web.request import Call
from jobserver.web.responses import json_response
from jobserver.web.services import services

blueprint = Blueprint("pages", __name__)
SHOWN = 50  # workers on a page
MOST_PAST = 200  # entries of a job's history
MOST_TEXT = 100_000  # characters of a jobcmd or result


@dataclass(frozen=True)
class StageRow:
    """What the page of lifetimes tells of one stage."""

    stage: int
    lifetime: Lifetime
    count: Count | None
    took: dict[int, int]
    expired: int

    @property
    def proposal_ms(self) -> int | None:
        """The lifetime that the durations speak for."""
        return durations.proposal_ms(self.took)


@blueprint.get("/")
def hello() -> AnyResponse:
    """A plain line; a browser goes to the progress page."""
    if wants_html():
        return redirect(url_for("pages.progress_page"))
    return Response(f"job_manager {__version__}\n", mimetype="text/plain")


@blueprint.get("/get")
def progress_page() -> AnyResponse:
    """How far a list is, or all of them."""
    return _page(_progress_of, _progress_json)


@blueprint.get("/lifetime")
def lifetime_page() -> AnyResponse:
    """The lifetimes of a list's stages."""
    return _page(_lifetimes_of, _lifetimes_json)


@blueprint.get("/job/<jobid>")
def job_page(jobid: str) -> Response:
    """One job, and its history."""
    job_list, number = page_query.job_list(), parsing.whole(jobid, "A job's id")
    database = services().database
    job = database.look(lambda connection: listing.one(connection.all, job_list.id, number, MOST_PAST))
    if job is None:
        raise NoSuchJob(f"The list {job_list.name} has no job {number}.")
    shown = reports.progress(database, job_list)
    return _html(render_template("job.html", progress=shown, job=job, now=now_ms(), most=MOST_TEXT))


@blueprint.get("/workers")
def workers_page() -> Response:
    """Who works on a list."""
    job_list, heard = page_query.job_list(), request.args.get("heard", "")
    after = (parsing.whole(heard, "heard"), request.args.get("name", "").replace("\x00", "")) if heard else None
    known, held = services().database.look(
        lambda one: (
            statistics.workers(one.all, job_list.id, SHOWN + 1, after),
            statistics.held(one.all, job_list.id),
        )
    )
    shown = reports.progress(services().database, job_list)
    return _html(
        render_template(
            "workers.html", progress=shown, workers=known, held=held, now=now_ms(), shown=SHOWN, first=not after
        )
    )


def _page(one: Callable[[JobList], str], for_programs: Callable[[Call], Any]) -> AnyResponse:
    if "jobix" in request.headers and not wants_html():
        return json_response(for_programs(Call(request.environ, services())))
    if request.args.get("list") is not None:
        return _html(one(page_query.job_list()))
    database = services().database
    found = lists.all_lists(database.read)
    if len(found) == 1:
        return redirect(url_for(request.endpoint or "pages.progress_page", list=found[0].name))
    here = request.endpoint or "pages.progress_page"
    return _html(render_template("lists.html", lists=[reports.progress(database, one) for one in found], here=here))


def _progress_json(call: Call) -> Any:
    """How far the list is, for programs: `/get` without a stage."""
    job_list = call.services.keys.look_up(auth.secret(call))
    if job_list is None:
        return Progress("", DEFAULT_LAST_STAGE, {}).as_answer()
    page = url_for("pages.progress_page", list=job_list.name)
    return reports.progress(call.services.database, job_list).as_answer() | {"page": page}


def _lifetimes_json(call: Call) -> Any:
    """The list's lifetimes, for programs: `/lifetime` without a stage."""
    job_list = auth.found(call, auth.secret(call))
    kept = lists.lifetimes(call.services.database.read, job_list.id) if job_list else {}
    return {str(stage): lifetime.as_answer() for stage, lifetime in kept.items()}


def _progress_of(job_list: JobList) -> str:
    shown = reports.overview(services().database, job_list, now_ms())
    return render_template("progress.html", overview=shown, **tables.of(job_list))


def _lifetimes_of(job_list: JobList) -> str:
    database = services().database
    shown = reports.progress(database, job_list)
    kept, took, expired = database.look(
        lambda one: (
            lists.lifetimes(one.all, job_list.id),
            statistics.durations(one.all, job_list.id),
            statistics.expired(one.all, job_list.id),
        )
    )
    stages = sorted({*range(min(shown.last_stage, progress.MANY_STAGES) + 1), *shown.stages, *kept})
    table = [
        StageRow(
            stage,
            kept.get(stage, Lifetime(stage)),
            shown.stages.get(stage),
            took.get(stage, {}),
            expired.get(stage, 0),
        )
        for stage in stages
    ]
    return render_template("lifetime.html", progress=shown, rows=table)


def _html(page: str) -> Response:
    response = Response(page, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.after_app_request
def _guarded(response: Response) -> Response:
    """No page takes anything from elsewhere, or stands in somebody else's frame."""
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = (
            "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:;"
            " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
    return response
