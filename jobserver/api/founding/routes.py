"""The routes of the worker protocol, which docs/protocol.md describes.

FastPath serves the four most frequent routes without Flask's routing, context and session, which cost more than a
claim. All other requests, and all errors, go through Flask.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ClassVar

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from job_manager_wire import list_shapes, shapes
from jobserver.api.founding import messages, reports, stage_rules
from jobserver.api.founding.submission import Submission, response
from jobserver.core import lifetimes, stages
from jobserver.core.bounds import MAX_HEARTBEAT_BYTES, MAX_REPORT_BYTES, MAX_REPORTS_BYTES
from jobserver.core.claims import ClaimedJob, ClaimRequest, Completion, Renewal
from jobserver.core.concurrency import run_in_thread
from jobserver.core.errors import JobServerError, ShuttingDown
from jobserver.core.lifetimes import Lifetime, minutes
from jobserver.core.lists import JobList
from jobserver.feed.connections import client_gone
from jobserver.feed.long_poll import NO_STAGE
from jobserver.store.queries import lists
from jobserver.web import bodies, parameters, parsing
from jobserver.web.errors import status
from jobserver.web.request import Call, job_list_of, job_list_of_job, jobix_of
from jobserver.web.responses import encode, json_response
from jobserver.web.services import NAME, Services, services

blueprint = Blueprint("worker", __name__)
BOTH = ["GET", "POST"]
SMALL = 64 * 1024
MANY = 500  # a /set with more jobs takes long
HEADERS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
CLOSED = "The server is shutting down; try again in a moment."
View = Callable[..., Any]
_large_submissions = threading.BoundedSemaphore(2)  # parsed in the threads that commits also use


@blueprint.before_app_request
def _begin() -> None:
    if services().long_polls.closed:
        raise ShuttingDown(CLOSED)
    if request.method == "HEAD" and request.blueprint == "worker":
        raise MethodNotAllowed(valid_methods=BOTH)  # it would claim a job but not return it
    services().start()


def _by_flask(*rules: str, methods: list[str] = BOTH) -> Callable[[View], View]:
    """Registers a function of a Call for these rules, and renders its value as JSON. The parameters of the query are
    checked for the first rule."""

    def register_view(view: View) -> View:
        @wraps(view)
        def checked(call: Call, *parts: str, **named_parts: str) -> Any:
            if query := call.query:
                parameters.require_accepted(rules[0], query)
            return view(call, *parts, **named_parts)

        @wraps(view)
        def respond(**parts: str) -> Response:
            return json_response(checked(Call(request.environ, services()), **parts))

        for rule in rules:
            blueprint.add_url_rule(rule, view_func=respond, methods=methods)
        return checked

    return register_view


@_by_flask("/init", "/init/", "/init/<path:values>")
def init(call: Call, values: str = "") -> dict[str, float]:
    """Creates a list, with the lifetimes of its stages in minutes."""
    given = lifetimes.from_init(values.rstrip("/").split("/") if values else [])
    current = call.services.lists.init(jobix_of(call), given, messages.name(call))
    return {str(stage): minutes(lifetime.lifetime_ms) for stage, lifetime in sorted(current.items())}


@_by_flask("/set", methods=["POST"])
def set_jobs(call: Call) -> shapes.SetResponse:
    """Adds jobs."""
    number = jobix_of(call)
    with bodies.spool(call.stream, call.max_bytes) as body:
        large = body.seek(0, 2) > SMALL
        body.seek(0)
        if large:
            with _large_submissions:
                submission = run_in_thread(Submission, body)
        else:
            submission = Submission(body)
    try:
        submitted = call.services.lists.submit(number, submission, bulk=large or submission.jobs > MANY)
    finally:
        submission.close()
    return response(submitted)


@_by_flask("/get/<stage>", "/get/<stage>/<work>")
def get(call: Call, stage: str, work: str | None = None) -> shapes.ClaimResponse:
    """Claims the first available job of a stage, or several."""
    number = jobix_of(call)
    requested = messages.claim_request(call, stage, work, messages.token(call, "claim"))
    claimed = _claim(call, number, requested, messages.wait_s(call))
    if messages.together(call) is None:
        return messages.job_or_nada(claimed, number)
    return [messages.job(job, number) for job in claimed]


def _claim(call: Call, jobix: int, requested: ClaimRequest, wait_s: float) -> list[ClaimedJob]:
    """Claims the requested jobs; waits up to wait_s for the first one. [] if there is none, or too many requests wait.
    The list may be created during the wait."""
    claims, long_polls = call.services.claims, call.services.long_polls
    job_list = job_list_of(call, jobix)
    if not wait_s:
        return claims.claim(job_list, requested) if job_list else []
    give_up, aside = time.monotonic() + wait_s, False
    while True:
        with long_polls.place(job_list.id if job_list else None, NO_STAGE if aside else requested.stage) as wait:
            claimed = claims.claim(job_list, requested) if job_list else []
            left_s = give_up - time.monotonic()
            if claimed or left_s <= 0 or long_polls.closed:
                return claimed
            before = aside
            aside = job_list is not None and call.services.host_care.is_set_aside(job_list, requested)
            if aside == before and not wait(left_s):
                return claimed
        gone = client_gone(call.environ)
        if job_list and (gone or aside != before):
            long_polls.wake(job_list.id, requested.stage, 1)  # so that another request gets the job
        if gone:
            return []
        job_list = job_list_of(call, jobix)


@_by_flask("/update_job/<jobid>/<next_stage>")
def update_job(call: Call, jobid: str, next_stage: str) -> shapes.UpdatedJob | shapes.UpdateResponse:
    """Ends a claim."""
    number, job = jobix_of(call), parsing.whole_number(jobid, "A job's id")
    with reports.parsed_body(call, reports.ReportBody, MAX_REPORT_BYTES) as body:
        report = reports.report(
            body or reports.ReportBody(), job, parsing.stage(next_stage), messages.token(call, "claim")
        )
    following = messages.following(call)
    completion, claimed = call.services.claims.complete(job_list_of_job(call, number, job), report, following)
    response = messages.completion(completion)
    return response if following is None else {**response, "next": messages.job_or_nada(claimed, number)}


@_by_flask("/update_jobs", methods=["POST"])
def update_jobs(call: Call) -> shapes.UpdateJobsResponse:
    """Ends many claims, each independent of the others."""
    number = jobix_of(call)
    with reports.parsed_body(call, reports.ReportEntries, MAX_REPORTS_BYTES) as body:
        return _complete_each(call, number, body or [])


def _complete_each(call: Call, number: int, entries: list[reports.ReportEntry]) -> shapes.UpdateJobsResponse:
    following = messages.following(call)
    job_list = job_list_of(call, number)
    claimed: list[ClaimedJob] = []
    if job_list is None:
        responses = [_unknown(entry.jobid) for entry in entries]
    else:
        outcomes, claimed = call.services.claims.complete_each(job_list, reports.reports(entries), following)
        responses = [_outcome(entry.jobid, outcome) for entry, outcome in zip(entries, outcomes, strict=True)]
    if following is None:
        return {"jobs": responses}
    return {"jobs": responses, "next": [messages.job(job, number) for job in claimed]}


def _outcome(jobid: int, outcome: Completion | JobServerError) -> shapes.ReportOutcome:
    if isinstance(outcome, Completion):
        return {"status": 200, **messages.completion(outcome)}
    return {"jobid": jobid, "status": status(outcome), **messages.refusal(outcome)}


def _unknown(jobid: int) -> shapes.ReportOutcome:
    return {"jobid": jobid, "status": 404, "error": "no_such_job", "message": f"This list has no job {jobid}."}


@_by_flask("/heartbeat", methods=["POST"])
def heartbeat(call: Call) -> shapes.HeartbeatResponse:
    """Renews claims, and waits if requested until one of them has ended or must end."""
    number, wait_s = jobix_of(call), messages.wait_s(call)
    with reports.parsed_body(call, reports.HeldClaims, MAX_HEARTBEAT_BYTES) as body:
        held = reports.held(body or [])
    outcomes = _renew(call, job_list_of(call, number), held, wait_s)
    return {"jobs": [messages.renewal(outcome) for outcome in outcomes]}


def _renew(call: Call, job_list: JobList | None, held: list[tuple[int, str]], wait_s: float) -> list[Renewal]:
    claims, give_up = call.services.claims, time.monotonic() + wait_s
    if job_list is None or not wait_s or not held:
        return claims.renew(job_list, held)
    while True:
        with call.services.heartbeat_waits.place(job_list.id, held) as wait:
            outcomes = claims.renew(job_list, held)
            if any(outcome.state != "held" for outcome in outcomes):
                return outcomes
            if not wait(max(0.0, give_up - time.monotonic())) or client_gone(call.environ):
                return outcomes


@_by_flask("/check_stages", "/check_stages/<old>/<new>")
def check_stages(call: Call, old: str | None = None, new: str | None = None) -> list_shapes.CheckStagesResponse:
    """Sweeps overdue jobs, and requeues the flagged jobs of a stage."""
    number = jobix_of(call)
    way = None if old is None or new is None else (parsing.stage(old), parsing.stage(new))
    if way:
        stages.require_lower(*way)
    call.services.expiry.sweep()
    job_list = job_list_of(call, number)
    degraded = call.services.expiry.degrade(job_list, *way) if job_list and way else 0
    flagged = call.services.expiry.flagged(job_list) if job_list else 0
    return {"ok": flagged == 0, "flagged": flagged, "degraded": degraded}


@_by_flask("/lifetime/<stage>")
def lifetime(call: Call, stage: str) -> list_shapes.StageLifetime:
    """Returns the lifetime of a stage."""
    number, stage_number = jobix_of(call), stages.require_stage(parsing.stage(stage))
    job_list = job_list_of(call, number)
    current = lists.lifetimes(call.services.database.read, job_list.id) if job_list else {}
    return current.get(stage_number, Lifetime(stage_number)).as_response()


@_by_flask("/lifetime/<stage>/<value>")
def set_lifetime(call: Call, stage: str, value: str) -> list_shapes.StageLifetime:
    """Sets the lifetime of a stage."""
    number, stage_number = jobix_of(call), stages.require_stage(parsing.stage(stage))
    change = messages.lifetime_change(call, stage_number, value)
    return call.services.lists.set_lifetime(number, stage_number, change).as_response()


blueprint.add_url_rule("/rules/<stage>", view_func=stage_rules.stage_rules, methods=BOTH)


class FastPath:
    """WSGI middleware: serves the most frequent routes without Flask."""

    _ROUTES: ClassVar[dict[str, tuple[re.Pattern[str], Callable[..., Any], Sequence[str]]]] = {
        "get": (re.compile("/get/([0-9]+)(?:/([0-9]+))?"), get, BOTH),
        "update_job": (re.compile("/update_job/([0-9]+)/([0-9]+)"), update_job, BOTH),
        "update_jobs": (re.compile("/update_jobs"), update_jobs, ["POST"]),
        "heartbeat": (re.compile("/heartbeat"), heartbeat, ["POST"]),
    }

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._flask = app.wsgi_app
        self._services: Services = app.extensions[NAME]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        route = self._ROUTES.get(path[1:].partition("/")[0])
        if route is None:
            return self._flask(environ, start_response)
        pattern, view, methods = route
        parts = pattern.fullmatch(path)
        if parts is None or environ["REQUEST_METHOD"] not in methods:
            return self._flask(environ, start_response)
        try:
            if self._services.long_polls.closed:
                raise ShuttingDown(CLOSED)
            body = encode(view(Call(environ, self._services), *parts.groups()))
        except Exception as error:
            with self._app.request_context(environ):
                return self._app.make_response(self._app.handle_user_exception(error))(environ, start_response)
        start_response("200 OK", [*HEADERS, ("Content-Length", str(len(body)))])
        return [body]
