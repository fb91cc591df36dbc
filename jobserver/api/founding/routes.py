"""The protocol: what masters and workers call. docs/protocol.md is its description."""

import threading
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from jobserver.api.founding import parsing, responses
from jobserver.api.founding.submission import Submission
from jobserver.core import lifetimes, stages
from jobserver.core.claims import Ended
from jobserver.core.concurrency import run_in_thread
from jobserver.core.errors import BadRequest, ShuttingDown
from jobserver.core.lifetimes import Lifetime, minutes
from jobserver.feed.connections import client_gone
from jobserver.jobs.lists import UNCHANGED
from jobserver.store.queries import lists
from jobserver.web import auth, bodies
from jobserver.web import parsing as numbers
from jobserver.web.errors import status
from jobserver.web.request import Call
from jobserver.web.responses import json_response
from jobserver.web.services import services

blueprint = Blueprint("worker", __name__)
BOTH = ["GET", "POST"]
SMALL = 64 * 1024
CLOSED = "The server is shutting down; ask again in a moment."
View = Callable[..., Any]
_few_at_once = threading.BoundedSemaphore(2)  # large sets are read in the threads that commits need too


@blueprint.before_app_request
def _begin() -> None:
    if services().long_polls.closed:
        raise ShuttingDown(CLOSED)
    if request.method == "HEAD" and request.blueprint == "worker":
        raise MethodNotAllowed(valid_methods=BOTH)  # it would claim a job and show it to nobody
    services().start()


def _by_flask(*rules: str, methods: list[str] = BOTH) -> Callable[[View], View]:
    """Has Flask route these to a function of a Call, and answer what that returns."""

    def put(view: View) -> View:
        @wraps(view)
        def answered(**parts: str) -> Response:
            return json_response(view(Call(request.environ, services()), **parts))

        for rule in rules:
            blueprint.add_url_rule(rule, view_func=answered, methods=methods)
        return view

    return put


@_by_flask("/init", "/init/", "/init/<path:values>")
def init(call: Call, values: str = "") -> Any:
    """Makes a list, with the lifetimes of its stages in minutes."""
    given = lifetimes.from_init(values.rstrip("/").split("/") if values else [])
    current = call.services.lists.init(auth.secret(call), given, parsing.name(call))
    return {str(stage): minutes(lifetime.lifetime_ms) for stage, lifetime in sorted(current.items())}


@_by_flask("/set", methods=["POST"])
def set_jobs(call: Call) -> Any:
    """Adds jobs."""
    number = auth.secret(call)
    with bodies.spool(call.stream, call.max_bytes) as body:
        large = body.seek(0, 2) > SMALL
        body.seek(0)
        if large:
            with _few_at_once:
                submission = run_in_thread(Submission, body)
        else:
            submission = Submission(body)
    try:
        new, known = call.services.lists.submit(number, submission, submission.jobs, large)
    finally:
        submission.close()
    return {"message": f"Accepted: {new} new, {known} known", "new": new, "known": known}


@_by_flask("/get/<stage>", "/get/<stage>/<work>")
def get(call: Call, stage: str, work: str | None = None) -> Any:
    """Claims the first available job of a stage, or several."""
    number = auth.secret(call)
    wish = parsing.wish(call, stage, work, parsing.token(call, "claim"))
    gone = partial(client_gone, call.environ)
    claimed = call.services.claims.claim(lambda: auth.found(call, number), wish, parsing.wait_s(call), gone)
    if parsing.together(call) is None:
        return responses.one(claimed, number)
    return [responses.job(one, number) for one in claimed]


@_by_flask("/update_job/<jobid>/<next_stage>")
def update_job(call: Call, jobid: str, next_stage: str) -> Any:
    """Ends a claim."""
    number, job = auth.secret(call), numbers.whole(jobid, "A job's id")
    said = parsing.body(call, parsing.Body) or parsing.Body()
    report = parsing.report(said, job, numbers.stage(next_stage), parsing.token(call, "claim"))
    wish = parsing.following(call)
    if parsing.together(call) is not None:
        raise BadRequest("n is for /get and /update_jobs; /update_job claims one job.")
    ended, claimed = call.services.claims.end(auth.found_for_job(call, number, job), report, wish)
    told = responses.ended(ended)
    return told if wish is None else told | {"next": responses.one(claimed, number)}


@_by_flask("/update_jobs", methods=["POST"])
def update_jobs(call: Call) -> Any:
    """Ends many claims, each judged alone."""
    number = auth.secret(call)
    entries = parsing.body(call, list[parsing.Entry]) or []
    reports = parsing.reports(entries)
    wish = parsing.following(call)
    job_list = auth.found(call, number)
    if job_list is None:
        return {"jobs": [_unknown(entry.jobid) for entry in entries]} | ({"next": []} if wish else {})
    outcomes, claimed = call.services.claims.end_each(job_list, reports, wish)
    told: list[dict[str, Any]] = []
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, Ended):
            told.append({"status": 200} | responses.ended(outcome))
        else:
            told.append({"jobid": entry.jobid, "status": status(outcome)} | responses.refused(outcome))
    return {"jobs": told} | ({"next": [responses.job(one, number) for one in claimed]} if wish else {})


@_by_flask("/heartbeat", methods=["POST"])
def heartbeat(call: Call) -> Any:
    """Renews claims."""
    number = auth.secret(call)
    outcomes = call.services.claims.renew(auth.found(call, number), parsing.held(call))
    return {"jobs": [responses.renewed(outcome) for outcome in outcomes]}


@_by_flask("/check_stages", "/check_stages/<old>/<new>")
def check_stages(call: Call, old: str | None = None, new: str | None = None) -> Any:
    """Flags what is overdue, and sends the flagged jobs of a stage back."""
    number = auth.secret(call)
    way = None if old is None or new is None else (numbers.stage(old), numbers.stage(new))
    if way:
        stages.require_lower(*way)
    call.services.expiry.sweep()
    job_list = auth.found(call, number)
    degraded = call.services.expiry.degrade(job_list, *way) if job_list and way else 0
    flagged = call.services.expiry.flagged(job_list) if job_list else 0
    return {"ok": flagged == 0, "flagged": flagged, "degraded": degraded}


@_by_flask("/lifetime/<stage>", "/lifetime/<stage>/<value>")
def lifetime(call: Call, stage: str, value: str | None = None) -> Any:
    """Says, or sets, a stage's lifetime."""
    number, which = auth.secret(call), stages.require_stage(numbers.stage(stage))
    if value is None:
        if {"requeue", "max_attempts"} & set(call.args):
            raise BadRequest(
                f"requeue and max_attempts are set together with a lifetime: /lifetime/{which}/<minutes>?…"
            )
        job_list = auth.found(call, number)
        current = lists.lifetimes(call.services.database.read, job_list.id) if job_list else {}
        return current.get(which, Lifetime(which)).as_answer()
    text, attempts = call.args.get("requeue"), call.args.get("max_attempts")
    stored = call.services.lists.set_lifetime(
        number,
        which,
        lifetimes.milliseconds(value),
        UNCHANGED if text is None else lifetimes.requeue_stage(which, text),
        None if attempts is None else numbers.whole(attempts, "max_attempts", lifetimes.MAX_ATTEMPTS),
    )
    return stored.as_answer()


def _unknown(jobid: int) -> dict[str, Any]:
    return {"jobid": jobid, "status": 404, "error": "no_such_job", "message": f"This list has no job {jobid}."}
