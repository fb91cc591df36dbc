"""The actions of a signed-in person. Harmful actions ask for confirmation."""

from collections.abc import Callable

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from jobserver.core import lifetimes, stages
from jobserver.core.bounds import MAX_PRIORITY, MAX_WORKER_NAME
from jobserver.core.errors import BadRequest, Conflict, NotFound
from jobserver.core.lists import JobList
from jobserver.jobs.operator import require_jobids
from jobserver.pages import signin, view
from jobserver.pages.security import return_path
from jobserver.store.queries import statistics
from jobserver.web import parsing
from jobserver.web.errors import wants_html
from jobserver.web.services import services

blueprint = Blueprint("actions", __name__)


@blueprint.post("/act/<verb>")
def act(verb: str) -> Response | str:
    """Runs an action, after a confirmation if the form requires one."""
    job_list = view.job_list()
    by = signin.require_person(job_list)
    if verb not in VERBS:
        raise NotFound(f"There is no action {verb[:40]!r}.")
    here = url_for("pages.progress_page", list=job_list.name)
    back = return_path(request.form.get("back", ""), here)
    if request.form.get("ask") and not request.form.get("confirmed"):
        return _confirm_page(job_list, verb, back)
    try:
        message = VERBS[verb](job_list, by)
    except (BadRequest, Conflict) as error:
        if not wants_html():
            raise
        flash(str(error), "bad")
        return redirect(back, 303)
    if not wants_html():
        return jsonify({"message": message})
    flash(message)
    return redirect(back, 303)


def _confirm_page(job_list: JobList, verb: str, back: str) -> str:
    """Renders the confirmation question of a form, for browsers without JavaScript."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in ("ask", "csrf_token")]
    label, ask = LABELS.get(verb, "Continue"), request.form["ask"]
    return render_template("confirm.html", job_list=job_list, ask=ask, label=label, fields=fields, back=back)


def _retry(job_list: JobList, by: str) -> str:
    text = request.form.get("to", "")
    to = stages.require_available(parsing.stage(text)) if text else None
    if request.args.get("all"):
        last = statistics.progress(services().database, job_list).last_stage
        moved = services().operator.retry_all(job_list, view.which(request.form), last, to, by)
    else:
        moved = services().operator.retry(job_list, _jobs(), to, by)
    where = f"to stage {to}" if to is not None else "to the stage before"
    return f"{_jobs_were(moved)} returned {where}."


def _fail(job_list: JobList, by: str) -> str:
    jobids = _jobs()
    if len(jobids) != 1:
        raise BadRequest("Name one job in the field jobs.")
    (jobid,) = jobids
    services().operator.fail(job_list, jobid, by)
    return f"Job {jobid} was marked as failed."


def _priority(job_list: JobList, by: str) -> str:
    text = request.form.get("priority", "").strip()
    number = parsing.signed_number(text, "priority", MAX_PRIORITY)
    changed = services().operator.set_priority(job_list, _jobs(), number, by)
    return f"{_jobs_were(changed)} set to priority {number}."


def _lifetime(job_list: JobList, by: str) -> str:
    stage = stages.require_stage(parsing.stage(request.form.get("stage", "")))
    lifetime_ms = lifetimes.milliseconds(request.form.get("minutes", "").strip())
    stored = services().lists.change_lifetime(job_list, stage, lifetime_ms, by)
    limit = f"{lifetimes.minutes(stored.lifetime_ms):g} minutes" if stored.lifetime_ms else "no limit"
    return f"Lifetime of stage {stage}: {limit}."


def _pause(job_list: JobList, by: str) -> str:
    services().operator.pause(job_list, True, by)
    return "Paused. Workers get no jobs until you resume."


def _resume(job_list: JobList, by: str) -> str:
    services().operator.pause(job_list, False, by)
    return "Resumed. Workers get jobs again."


def _readmit(job_list: JobList, by: str) -> str:
    stage, host = stages.require_stage(parsing.stage(request.form.get("stage", ""))), request.form.get("host", "")
    if not services().host_care.readmit(job_list, stage, host, by):
        return f"Host {host[:MAX_WORKER_NAME]} was not set aside."
    return f"Host {host} gets jobs again."


VERBS: dict[str, Callable[[JobList, str], str]] = {
    "retry": _retry,
    "fail": _fail,
    "priority": _priority,
    "lifetime": _lifetime,
    "pause": _pause,
    "resume": _resume,
    "readmit": _readmit,
}
LABELS = {"retry": "Retry", "fail": "Fail job", "pause": "Pause list"}  # of the confirmation buttons


def _jobs() -> list[int]:
    texts = [text for value in request.form.getlist("jobs") for text in value.split(",") if text.strip()]
    return list(require_jobids([parsing.whole_number(text.strip(), "A job's id") for text in texts]))


def _jobs_were(number: int) -> str:
    if number == 0:
        return "No job was"
    return "1 job was" if number == 1 else f"{number:,} jobs were"
