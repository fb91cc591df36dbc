"""What somebody who signed in may do. Each asks before it does harm, and says what it did."""

from collections.abc import Callable

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from jobserver.core import lifetimes, stages
from jobserver.core.bounds import MAX_PRIORITY
from jobserver.core.errors import NotFound
from jobserver.core.lists import JobList
from jobserver.jobs.operator import require_jobids
from jobserver.pages import page_query, signin
from jobserver.store.queries import reports
from jobserver.web import parsing
from jobserver.web.errors import wants_html
from jobserver.web.services import services

blueprint = Blueprint("actions", __name__)


@blueprint.post("/act/<verb>")
def act(verb: str) -> Response | str:
    """Does it, once it was confirmed."""
    job_list = page_query.job_list()
    by = signin.require_person(job_list)
    if verb not in VERBS:
        raise NotFound(f"There is no action {verb[:40]!r}.")
    if request.form.get("ask") and not request.form.get("sure"):
        fields = [(name, value) for name, value in request.form.items(multi=True) if name not in ("ask", "csrf")]
        return render_template("sure.html", job_list=job_list, ask=request.form["ask"], fields=fields, verb=verb)
    message = VERBS[verb](job_list, by)
    if not wants_html():
        return jsonify({"message": message})
    flash(message)
    back = request.form.get("back", "")
    here = url_for("pages.progress_page", list=job_list.name)
    return redirect(back if back.startswith("/") and not back.startswith(("//", "/\\")) else here, 303)


def _send_back(job_list: JobList, by: str) -> str:
    text = request.form.get("to", "")
    to = stages.require_available(parsing.stage(text)) if text else None
    if request.args.get("all"):
        last = reports.progress(services().database, job_list).last_stage
        moved = services().operator.send_back_all(job_list, page_query.which(request.form), last, to, by)
    else:
        moved = services().operator.send_back(job_list, _jobs(), to, by)
    where = f"to stage {to}" if to is not None else "to the stage before"
    return f"{_jobs_were(moved)} sent back {where}."


def _fail(job_list: JobList, by: str) -> str:
    (jobid,) = _jobs()[:1]
    services().operator.fail(job_list, jobid, by)
    return f"Job {jobid} was failed."


def _priority(job_list: JobList, by: str) -> str:
    text = request.form.get("priority", "").strip()
    number = parsing.whole(text.removeprefix("-"), "priority", MAX_PRIORITY)
    number = -number if text.startswith("-") else number
    changed = services().operator.set_priority(job_list, _jobs(), number, by)
    return f"{_jobs_were(changed)} given priority {number}."


def _lifetime(job_list: JobList, by: str) -> str:
    stage = stages.require_stage(parsing.stage(request.form.get("stage", "")))
    lifetime_ms = lifetimes.milliseconds(request.form.get("minutes", "").strip())
    stored = services().lists.change_lifetime(job_list, stage, lifetime_ms, by)
    return f"Stage {stage} has a lifetime of {lifetimes.minutes(stored.lifetime_ms):g} minutes now."


def _pause(job_list: JobList, by: str) -> str:
    services().operator.pause(job_list, True, by)
    return "Paused: workers are told that there is no job."


def _resume(job_list: JobList, by: str) -> str:
    services().operator.pause(job_list, False, by)
    return "Jobs are handed out again."


VERBS: dict[str, Callable[[JobList, str], str]] = {
    "send_back": _send_back, "fail": _fail, "priority": _priority, "lifetime": _lifetime, "pause": _pause,
    "resume": _resume,
}  # fmt: skip


def _jobs() -> list[int]:
    texts = [text for value in request.form.getlist("jobs") for text in value.split(",") if text.strip()]
    return list(require_jobids([parsing.whole(text.strip(), "A job's id") for text in texts]))


def _jobs_were(number: int) -> str:
    if number == 0:
        return "Nothing to do: no job was"
    return "1 job was" if number == 1 else f"{number:,} jobs were"
