"""The protocol: what masters and workers call. docs/protocol.md is its description."""

import threading
from functools import partial
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
from jobserver.routes.errors import status
from jobserver.services import services
from jobserver.storage import lists
from jobserver.submission import Submission
from jobserver.submitting import UNCHANGED

blueprint = Blueprint("worker", __name__)
BOTH = ["GET", "POST"]
SMALL = 64 * 1024
_few_at_once = threading.BoundedSemaphore(2)  # large sets are read in the threads that commits need too


@blueprint.before_app_request
def _begin() -> None:
    if services().waiting.closed:
        raise ShuttingDown("The server is shutting down; ask again in a moment.")
    if request.method == "HEAD" and request.blueprint == "worker":
        raise MethodNotAllowed(valid_methods=BOTH)  # it would claim a job and show it to nobody
    services().start()


@blueprint.route("/init", methods=BOTH)
@blueprint.route("/init/", methods=BOTH)
@blueprint.route("/init/<path:values>", methods=BOTH)
def init(values: str = "") -> Response:
    """Makes a list, with the lifetimes of its stages in minutes."""
    given = lifetimes.from_init(values.rstrip("/").split("/") if values else [])
    current = services().submitting.init(auth.secret(), given, asked.name())
    return answer({str(stage): minutes(lifetime.lifetime_ms) for stage, lifetime in sorted(current.items())})


@blueprint.post("/set")
def set_jobs() -> Response:
    """Adds jobs."""
    number = auth.secret()
    with bodies.spool(request.stream, asked.max_bytes()) as body:
        large = body.seek(0, 2) > SMALL
        body.seek(0)
        if large:
            with _few_at_once:
                submission = real_thread(Submission, body)
        else:
            submission = Submission(body)
    try:
        new, known = services().submitting.submit(number, submission, submission.jobs, large)
    finally:
        submission.close()
    return answer({"message": f"Accepted: {new} new, {known} known", "new": new, "known": known})


@blueprint.route("/get/<stage>", methods=BOTH)
@blueprint.route("/get/<stage>/<work>", methods=BOTH)
def get(stage: str, work: str | None = None) -> Response:
    """Claims the first available job of a stage, or several."""
    number = auth.secret()
    wish = asked.wish(stage, work, asked.token("claim"))
    gone = partial(client_gone, request.environ)
    claimed = services().claims.claim(lambda: auth.found(number), wish, asked.wait_s(), gone)
    if asked.together() is None:
        return answer(answers.one(claimed, number))
    return answer([answers.job(one, number) for one in claimed])


@blueprint.route("/update_job/<jobid>/<next_stage>", methods=BOTH)
def update_job(jobid: str, next_stage: str) -> Response:
    """Ends a claim."""
    number, job = auth.secret(), asked.whole(jobid, "A job's id")
    said = asked.body(asked.Body) or asked.Body()
    report = asked.report(said, job, asked.stage(next_stage), asked.token("claim"))
    wish = asked.following()
    if asked.together() is not None:
        raise BadRequest("n is for /get and /update_jobs; /update_job claims one job.")
    ended, claimed = services().claims.end(auth.found_for_job(number, job), report, wish)
    told = answers.ended(ended)
    return answer(told if wish is None else told | {"next": answers.one(claimed, number)})


@blueprint.post("/update_jobs")
def update_jobs() -> Response:
    """Ends many claims, each judged alone."""
    number = auth.secret()
    entries = asked.body(list[asked.Entry]) or []
    reports = asked.reports(entries)
    wish = asked.following()
    job_list = auth.found(number)
    if job_list is None:
        return answer({"jobs": [_unknown(entry.jobid) for entry in entries]} | ({"next": []} if wish else {}))
    outcomes, claimed = services().claims.end_each(job_list, reports, wish)
    told: list[dict[str, Any]] = []
    for entry, outcome in zip(entries, outcomes, strict=True):
        if isinstance(outcome, Ended):
            told.append({"status": 200} | answers.ended(outcome))
        else:
            told.append({"jobid": entry.jobid, "status": status(outcome)} | answers.refused(outcome))
    return answer({"jobs": told} | ({"next": [answers.job(one, number) for one in claimed]} if wish else {}))


@blueprint.post("/heartbeat")
def heartbeat() -> Response:
    """Renews claims."""
    number = auth.secret()
    outcomes = services().claims.renew(auth.found(number), asked.held())
    return answer({"jobs": [answers.renewed(outcome) for outcome in outcomes]})


@blueprint.route("/check_stages", methods=BOTH)
@blueprint.route("/check_stages/<old>/<new>", methods=BOTH)
def check_stages(old: str | None = None, new: str | None = None) -> Response:
    """Flags what is overdue, and sends the flagged jobs of a stage back."""
    number = auth.secret()
    way = None if old is None or new is None else (asked.stage(old), asked.stage(new))
    if way:
        stages.require_lower(*way)
    services().expiring.sweep()
    job_list = auth.found(number)
    degraded = services().expiring.degrade(job_list, *way) if job_list and way else 0
    flagged = services().expiring.flagged(job_list) if job_list else 0
    return answer({"ok": flagged == 0, "flagged": flagged, "degraded": degraded})


@blueprint.route("/lifetime/<stage>", methods=BOTH)
@blueprint.route("/lifetime/<stage>/<value>", methods=BOTH)
def lifetime(stage: str, value: str | None = None) -> Response:
    """Says, or sets, a stage's lifetime."""
    number, which = auth.secret(), stages.require_stage(asked.stage(stage))
    if value is None:
        if {"requeue", "max_attempts"} & set(request.args):
            raise BadRequest(
                f"requeue and max_attempts are set together with a lifetime: /lifetime/{which}/<minutes>?…"
            )
        job_list = auth.found(number)
        current = lists.lifetimes(services().database.read, job_list.id) if job_list else {}
        return answer(current.get(which, Lifetime(which)).as_answer())
    text, attempts = request.args.get("requeue"), request.args.get("max_attempts")
    stored = services().submitting.set_lifetime(
        number,
        which,
        lifetimes.milliseconds(value),
        UNCHANGED if text is None else lifetimes.requeue_stage(which, text),
        None if attempts is None else asked.whole(attempts, "max_attempts", lifetimes.MAX_ATTEMPTS),
    )
    return answer(stored.as_answer())


def progress_answer() -> Response:
    """How far the list is, for programs: `/get` without a stage."""
    job_list = services().keys.look_up(auth.secret())
    if job_list is None:
        return answer(progress.Progress("", stages.DEFAULT_LAST_STAGE, {}).as_answer())
    page = url_for("pages.progress_page", list=job_list.name)
    return answer(progress.of(services().database, job_list).as_answer() | {"page": page})


def lifetimes_answer() -> Response:
    """The list's lifetimes, for programs: `/lifetime` without a stage."""
    job_list = auth.found(auth.secret())
    found = lists.lifetimes(services().database.read, job_list.id) if job_list else {}
    return answer({str(stage): one.as_answer() for stage, one in found.items()})


def _unknown(jobid: int) -> dict[str, Any]:
    return {"jobid": jobid, "status": 404, "error": "no_such_job", "message": f"This list has no job {jobid}."}
