"""What an open page asks for again and again: numbers as JSON, rows as HTML, each with an ETag that saves the rest."""

import hashlib

from flask import Blueprint, Flask, Response, render_template, request, url_for
from flask_socketio import SocketIO

from jobserver.core import concurrency
from jobserver.core.errors import BadRequest
from jobserver.core.resources import resource
from jobserver.feed.live_rooms import pace
from jobserver.jobs.clock import now_ms
from jobserver.pages import page_query, tables
from jobserver.store.queries import reports, statistics
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
LIBRARIES = {  # by npm, at set-up
    "socket": "node_modules/socket.io-client/dist/socket.io.esm.min.js",
    "uplot": "node_modules/uplot/dist/uPlot.iife.min.js",
    "uplot css": "node_modules/uplot/dist/uPlot.min.css",
}


def register(app: Flask, socketio: SocketIO) -> None:
    """Lets pages say what they look at, where this server can hold connections; tells templates what there is."""
    app.jinja_env.globals.update(
        library=library, sockets=concurrency.is_own_server() or app.extensions[NAME].settings.push
    )
    if concurrency.is_own_server():
        pace(socketio)
        socketio.on_event("connect", lambda *_: services().live.connect(_sid()))
        socketio.on_event("look", lambda said=None, *_: services().live.look(_sid(), said))
        socketio.on_event("disconnect", lambda *_: services().live.leave(_sid()))


def library(name: str) -> str:
    """The address of a library that the page takes from others; empty where set-up could not get it."""
    path = LIBRARIES[name]
    return url_for("static", filename=path) if resource(f"static/{path}").is_file() else ""


@blueprint.get("/live")
def numbers() -> Response:
    """The overview of a list."""
    return _tagged(
        encode(reports.overview(services().database, page_query.job_list(), now_ms()).as_answer()), "application/json"
    )


@blueprint.get("/rows")
def rows() -> Response:
    """The tables of the progress page, as they are in it."""
    return _tagged(render_template("rows.html", **tables.of(page_query.job_list())).encode(), "text/html")


@blueprint.get("/chart")
def chart() -> Response:
    """How many jobs went through each working stage, by slots of time: {step_ms, starts, stages: {stage: jobs}}."""
    job_list, name, now = page_query.job_list(), request.args.get("span", "hour"), now_ms()
    if name not in (*SPANS, "all"):
        raise BadRequest(f"span is one of {', '.join(SPANS)}, all; not {name[:40]!r}.")
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
        stages[slot.stage][(slot.start - since) // step_ms] += slot.jobs
    told = {"step_ms": step_ms, "starts": starts, "stages": {str(stage): jobs for stage, jobs in stages.items()}}
    return _tagged(encode(told), "application/json")


def _sid() -> str:
    found: str = request.sid  # type: ignore[attr-defined]
    return found


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
