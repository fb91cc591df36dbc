"""The data of open pages: HTML fragments, and JSON for the chart and for programs. Each response has an ETag."""

import hashlib

from flask import Blueprint, Flask, Response, current_app, render_template, request, url_for

from jobserver.core import concurrency
from jobserver.core.errors import BadRequest
from jobserver.core.lists import JobList
from jobserver.core.resources import resource
from jobserver.feed import live
from jobserver.jobs.clock import now_ms
from jobserver.pages import view
from jobserver.store.queries import statistics
from jobserver.web.responses import encode
from jobserver.web.services import NAME, services

blueprint = Blueprint("live", __name__)
MINUTE_MS = 60_000
SPANS = {
    "15min": (15 * MINUTE_MS, 10_000),
    "hour": (60 * MINUTE_MS, MINUTE_MS),
    "day": (1440 * MINUTE_MS, 10 * MINUTE_MS),
}
MOST_SLOTS = 300  # in the chart of all time
LIBRARIES = {  # installed by npm
    "htmx": "node_modules/htmx.org/dist/htmx.min.js",
    "morph": "node_modules/idiomorph/dist/idiomorph-ext.min.js",
    "socket": "node_modules/socket.io-client/dist/socket.io.esm.min.js",
    "uplot": "node_modules/uplot/dist/uPlot.iife.min.js",
    "uplot css": "node_modules/uplot/dist/uPlot.min.css",
}


def register(app: Flask) -> None:
    """Gives templates the available libraries and connections, and connects the live feed."""
    app.jinja_env.globals.update(
        library=library, sockets=concurrency.is_own_server() or app.extensions[NAME].settings.push
    )
    app.extensions[NAME].live.render = lambda job_list: summary(app, job_list)
    if concurrency.is_own_server():
        live.register(app.extensions[NAME].live)


def library(name: str) -> str:
    """Returns the URL of a JavaScript library or style sheet; empty if it is not installed."""
    path = LIBRARIES[name]
    return url_for("static", filename=path) if resource(f"static/{path}").is_file() else ""


def summary(app: Flask, job_list: JobList) -> str:
    """Renders the top of the progress page: numbers, bar and durations. It is the same for all users and needs no
    request."""
    now = now_ms()
    overview = statistics.overview(app.extensions[NAME].database, job_list, now)
    return app.jinja_env.get_template("summary.html").render(overview=overview, now=now)


@blueprint.get("/summary")
def summary_html() -> Response:
    """The top of the progress page, for pages that poll."""
    return _tagged(summary(current_app._get_current_object(), view.job_list()).encode(), "text/html")  # type: ignore[attr-defined]


@blueprint.get("/live")
def numbers() -> Response:
    """The numbers of a list, for programs."""
    return _tagged(
        encode(statistics.overview(services().database, view.job_list(), now_ms()).as_response()),
        "application/json",
    )


@blueprint.get("/rows")
def rows() -> Response:
    """The tables of the progress page."""
    return _tagged(render_template("rows.html", **view.tables(view.job_list())).encode(), "text/html")


@blueprint.get("/chart")
def chart() -> Response:
    """The number of jobs that completed each working stage, by slots of time: {step_ms, starts, stages: {stage:
    jobs}}."""
    job_list, name, now = view.job_list(), request.args.get("span", "hour"), now_ms()
    if name not in (*SPANS, "all"):
        raise BadRequest(f"span must be one of {', '.join(SPANS)}, all; not {name[:40]!r}.")
    database = services().database
    if name == "all":
        first = database.look(lambda connection: statistics.span(connection.all, job_list.id)).first
        span_ms = max(15 * MINUTE_MS, now - (now if first is None else first))
        step_ms = next(step for step in _steps() if span_ms / step <= MOST_SLOTS)
    else:
        span_ms, step_ms = SPANS[name]
    since = (now - span_ms) // step_ms * step_ms
    slots = database.look(lambda connection: statistics.series(connection.all, job_list.id, since, step_ms))
    starts = list(range(since, now, step_ms))
    stages = {stage: [0] * len(starts) for stage in sorted({slot.stage for slot in slots})}
    for slot in slots:
        if since <= slot.start < now:  # not if the server clock was set back
            stages[slot.stage][(slot.start - since) // step_ms] += slot.jobs
    data = {"step_ms": step_ms, "starts": starts, "stages": {str(stage): jobs for stage, jobs in stages.items()}}
    return _tagged(encode(data), "application/json")


def _steps() -> list[int]:
    steps = [10_000]
    for factor in (6, 10, 6, 6, 4, 7, 4, 12, 100, 100):
        steps.append(steps[-1] * factor)
    return steps


def _tagged(body: bytes, mimetype: str) -> Response:
    response = Response(body, mimetype=mimetype)
    response.set_etag(hashlib.sha256(body).hexdigest()[:20], weak=True)
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response
