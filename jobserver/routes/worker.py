"""The protocol: what masters and workers call. docs/protocol.md is its description."""

import threading
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from flask import Blueprint, Response, request, url_for
from werkzeug.exceptions import MethodNotAllowed

from jobserver import bodies, lifetimes, progress, stages
from jobserver.concurrency import client_gone, real_thread
from jobserver.errors import BadRequest, ShuttingDown
from jobserver.holds import Ended
from jobserver.lifetimes import Lifetime, minutes
from jobserver.routes import answers, asked, auth
from jobserver.routes.answers import answer
from jobserver.routes.call import Call
from jobserver.routes.errors import status
from jobserver.services import services
from jobserver.storage import lists
from jobserver.submission import Submission
from jobserver.submitting import UNCHANGED

blueprint = Blueprint("worker", __name__)
BOTH = ["GET", "POST"]
SMALL = 64 * 1024
CLOSED = "The server is shutting down; ask again in a moment."
View = Callable[..., Any]
_few_at_once = threading.BoundedSemaphore(2)  # large sets are read in the threads that commits need too


@blueprint.before_app_request
def _begin() -> None:
    if services().waiting.closed:
        raise ShuttingDown(CLOSED)
    if request.method == "HEAD" and request.blueprint == "worker":
        raise MethodNotAllowed(valid_methods=BOTH)  # it would claim a job and show it to nobody
    services().start()


def _by_flask(*rules: str, methods: list[str] = BOTH) -> Callable[[View], View]:
    """Has Flask route these to a function of a Call, and answer what that returns."""

    def put(view: View) -> View:
        @wraps(view)
        def answered(**parts: str) -> Response:
            return answer(view(Call(request.environ, services()), **parts))

        for rule in rules:
            blueprint.add_url_rule(rule, view_func=answered, methods=methods)
        return view

    return put


@_by_flask("/init", "/init/", "/init/<path:values>")
def init(call: Call, values: str = "") -> Any:
    """Makes a list, with the lifetimes of its stages in minutes."""
    given = lifetimes.from_init(values.rstrip("/").split("/") if values else [])
    current = call.services.submitting.init(auth.secret(call), given, asked.name(call))
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
                submission = real_thread(Submission, body)
        else:
            submission = Submission(body)
    try:
        new, known = call.services.submitting.submit(number, submission, submission.jobs, large)
    finally:
        submission.close()
    return {"message": f"Accepted: {new} new, {known} known", "new": new, "known": known}


@_by_flask("/get/<stage>", "/get/<stage>/<work>")
def get(call: Call, stage: str, work: str | None = None) -> Any:
    """Claims the first available job of a stage, or several."""
    number = auth.secret(call)
    wish = asked.wish(call, stage, work, asked.token(call, "claim"))
    gone = partial(client_gone, call.environ)
    claimed = call.services.claims.claim(lambda: auth.found(call, number), wish, asked.wait_s(call), gone)
    if asked.together(call) is None:
        return answers.one(claimed, number)
    return [answers.job(one, number) for one in claimed]


@_by_flask("/update_job/<jobid>/<next_stage>")
def update_job(call: Call, jobid: str, next_stage: str) -> Any:
    """Ends a claim."""
    number, job = auth.secret(call), asked.whole(jobid, "A job's id")
    said = asked.body(call, asked.Body) or asked.Body()
    report = asked.report(said, job, asked.stage(next_stage), asked.token(call, "claim"))
    wish = asked.following(call)
    if asked.together(call) is not None:
        raise BadRequest("n is for /get and /update_jobs; /update_job claims one job.")
    ended, claimed = call.services.claims.end(auth.found_for_job(call, number, job), report, wish)
    told = answers.ended(ended)
    return told if wish is None else told | {"next": answers.one(claimed, number)}


@_by_flask("/update_jobs", methods=["POST"])
def update_jobs(call: Call) -> Any:
    """Ends many claims, each judged alone."""
    number = auth.secret(call)
    entries = asked.body(call, list[asked.Entry]) or []
    reports = asked.reports(entries)
    wish = asked.following(call)
    job_list = auth.found(call, number)
    if job_list is None:
        return {"jobs": [_unknown(entry.jobid) for entry in entries]} | ({"next": []} if wish else {})
    outcomes, claimed = call.services.claims.end_each(job_list, reports, wish)
    told: list[dict[str, Any]] = []
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, Ended):
            told.append({"status": 200} | answers.ended(outcome))
        else:
            told.append({"jobid": entry.jobid, "status": status(outcome)} | answers.refused(outcome))
    return {"jobs": told} | ({"next": [answers.job(one, number) for one in claimed]} if wish else {})


@_by_flask("/heartbeat", methods=["POST"])
def heartbeat(call: Call) -> Any:
    """Renews claims."""
    number = auth.secret(call)
    outcomes = call.services.claims.renew(auth.found(call, number), asked.held(call))
    return {"jobs": [answers.renewed(outcome) for outcome in outcomes]}


@_by_flask("/check_stages", "/check_stages/<old>/<new>")
def check_stages(call: Call, old: str | None = None, new: str | None = None) -> Any:
    """Flags what is overdue, and sends the flagged jobs of a stage back."""
    number = auth.secret(call)
    way = None if old is None or new is None else (asked.stage(old), asked.stage(new))
    if way:
        stages.require_lower(*way)
    call.services.expiring.sweep()
    job_list = auth.found(call, number)
    degraded = call.services.expiring.degrade(job_list, *way) if job_list and way else 0
    flagged = call.services.expiring.flagged(job_list) if job_list else 0
    return {"ok": flagged == 0, "flagged": flagged, "degraded": degraded}


@_by_flask("/lifetime/<stage>", "/lifetime/<stage>/<value>")
def lifetime(call: Call, stage: str, value: str | None = None) -> Any:
    """Says, or sets, a stage's lifetime."""
    number, which = auth.secret(call), stages.require_stage(asked.stage(stage))
    if value is None:
        if {"requeue", "max_attempts"} & set(call.args):
            raise BadRequest(
                f"requeue and max_attempts are set together with a lifetime: /lifetime/{which}/<minutes>?…"
            )
        job_list = auth.found(call, number)
        current = lists.lifetimes(call.services.database.read, job_list.id) if job_list else {}
        return current.get(which, Lifetime(which)).as_answer()
    text, attempts = call.args.get("requeue"), call.args.get("max_attempts")
    stored = call.services.submitting.set_lifetime(
        number,
        which,
        lifetimes.milliseconds(value),
        UNCHANGED if text is None else lifetimes.requeue_stage(which, text),
        None if attempts is None else asked.whole(attempts, "max_attempts", lifetimes.MAX_ATTEMPTS),
    )
    return stored.as_answer()


def progress_answer(call: Call) -> Any:
    """How far the list is, for programs: `/get` without a stage."""
    job_list = call.services.keys.look_up(auth.secret(call))
    if job_list is None:
        return progress.Progress("", stages.DEFAULT_LAST_STAGE, {}).as_answer()
    page = url_for("pages.progress_page", list=job_list.name)
    return progress.of(call.services.database, job_list).as_answer() | {"page": page}


def lifetimes_answer(call: Call) -> Any:
    """The list's lifetimes, for programs: `/lifetime` without a stage."""
    job_list = auth.found(call, auth.secret(call))
    found = lists.lifetimes(call.services.database.read, job_list.id) if job_list else {}
    return {str(stage): one.as_answer() for stage, one in found.items()}


def _unknown(jobid: int) -> dict[str, Any]:
    return {"jobid": jobid, "status": 404, "error": "no_such_job", "message": f"This list has no job {jobid}."}
