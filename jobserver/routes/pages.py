"""What a person sees, and the line at `/`."""

from collections.abc import Callable

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobserver import __version__, progress
from jobserver.clock import now_ms
from jobserver.errors import NoSuchList
from jobserver.lifetimes import Lifetime, minutes, timestamp
from jobserver.routes import worker
from jobserver.routes.errors import wants_html
from jobserver.services import services
from jobserver.storage import listing, lists
from jobserver.storage.lists import JobList

blueprint = Blueprint("pages", __name__)
SHOWN = 50  # jobs on a page
REFRESH_S = 10


@blueprint.get("/")
def hello() -> AnyResponse:
    """A plain line; a browser goes to the progress page."""
    if wants_html():
        return redirect(url_for("pages.progress_page"))
    return Response(f"job_manager {__version__}\n", mimetype="text/plain")


@blueprint.get("/get")
def progress_page() -> AnyResponse:
    """How far a list is, or all of them."""
    return _page(_progress_of, "lists.html", worker.progress_answer)


@blueprint.get("/lifetime")
def lifetime_page() -> AnyResponse:
    """The lifetimes of a list's stages."""
    return _page(_lifetimes_of, "lists.html", worker.lifetimes_answer)


def _page(one: Callable[[JobList], str], many: str, for_programs: Callable[[], Response]) -> AnyResponse:
    if "jobix" in request.headers and not wants_html():
        return for_programs()
    database = services().database
    name = request.args.get("list")
    found = lists.all_lists(database.read)
    if name is not None:
        chosen = [job_list for job_list in found if job_list.name == name]
        if not chosen:
            raise NoSuchList(f"No list is named {name[:100]!r}. The lists are at {url_for('pages.progress_page')}.")
        return _html(one(chosen[0]))
    if len(found) == 1:
        return _html(one(found[0]))
    here = request.endpoint or "pages.progress_page"
    return _html(render_template(many, lists=[progress.of(database, job_list) for job_list in found], here=here))


def _progress_of(job_list: JobList) -> str:
    database = services().database
    jobs = database.look(lambda connection: listing.first(connection.all, job_list.id, SHOWN))
    expired = database.look(lambda connection: listing.flagged(connection.all, job_list.id, SHOWN))
    shown = progress.of(database, job_list)
    return render_template("progress.html", progress=shown, jobs=jobs, expired=expired, now=now_ms(), shown=SHOWN)


def _lifetimes_of(job_list: JobList) -> str:
    database = services().database
    shown = progress.of(database, job_list)
    kept = lists.lifetimes(database.read, job_list.id)
    stages = range(max([shown.last_stage, *shown.stages, *kept]) + 1)
    rows = [(stage, kept.get(stage, Lifetime(stage)), shown.stages.get(stage)) for stage in stages]
    return render_template("lifetime.html", progress=shown, rows=rows)


def _html(page: str) -> Response:
    response = Response(page, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Refresh"] = str(REFRESH_S)
    return response


blueprint.add_app_template_filter(minutes, "minutes")
blueprint.add_app_template_filter(timestamp, "timestamp")


@blueprint.app_template_filter("duration")
def duration(ms: int | None) -> str:
    """A span of time in two units at most: 41 s, 2 min 10 s, 3 h 5 min, 2 d 4 h."""
    if ms is None:
        return "–"
    seconds = max(0, ms) // 1000
    for unit_s, unit, smaller_s, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit_s:
            rest = seconds % unit_s // smaller_s
            return f"{seconds // unit_s} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"
