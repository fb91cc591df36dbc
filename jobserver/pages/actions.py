"""The actions of a signed-in person. Harmful actions ask for confirmation."""

from collections.abc import Callable, Sequence

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from jobserver.core import lifetimes, stages
from jobserver.core.bounds import MAX_PRIORITY, MAX_WORKER_NAME
from jobserver.core.errors import BadRequest, Conflict, NotFound, WrongStage
from jobserver.core.lists import JobList
from jobserver.core.operations import Changes, Target
from jobserver.jobs.operator import require_jobids
from jobserver.pages import signin, view
from jobserver.pages.security import return_path
from jobserver.web import parsing
from jobserver.web.errors import wants_html
from jobserver.web.services import services

blueprint = Blueprint("actions", __name__)
SHOWN_REASONS = 3


@blueprint.post("/act/<verb>")
def act(verb: str) -> Response | str:
    """Runs an action, after a confirmation if the form requires one."""
    job_list = view.job_list()
    by = signin.require_person(job_list)
    if verb not in VERBS:
        raise NotFound(f"There is no action {verb[:40]!r}.")
    here = url_for("pages.progress_page", list=job_list.name)
    # A deleted job has no page.
    back = here if verb == "delete" else return_path(request.form.get("back", ""), here)
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
    return redirect(url_for("pages.progress_page") if verb == "delete-list" else back, 303)


def _confirm_page(job_list: JobList, verb: str, back: str) -> str:
    """Renders the confirmation question of a form, for browsers without JavaScript."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in ("ask", "csrf_token")]
    label, ask = LABELS.get(verb, "Continue"), request.form["ask"]
    return render_template("confirm.html", job_list=job_list, ask=ask, label=label, fields=fields, back=back)


def _retry(job_list: JobList, by: str) -> str:
    text = request.form.get("to", "")
    to = stages.require_available(parsing.stage(text)) if text else None
    done = bool(request.form.get("done"))
    changes = _apply(
        job_list, lambda job_list, jobs: services().operator.retry(job_list, jobs, to, by, done), flagged=not done
    )
    where = f"to stage {to}" if to is not None else "to stage 0" if done else "to the stage before"
    return _message(f"returned {where}", changes)


def _cancel(job_list: JobList, by: str) -> str:
    changes = _apply(job_list, lambda job_list, jobs: services().operator.cancel(job_list, jobs, by))
    requested = (
        f"Running: {changes.requested:,}. Their workers stop them at the next heartbeat." if changes.requested else ""
    )
    if requested and not changes.jobs and not changes.refused:
        return f"Cancel requested. {requested}"
    return " ".join(filter(None, (_message("cancelled", changes), requested)))


def _skip(job_list: JobList, by: str) -> str:
    return _message("skipped", _apply(job_list, lambda job_list, jobs: services().operator.skip(job_list, jobs, by)))


def _delete(job_list: JobList, by: str) -> str:
    return _message("deleted", _apply(job_list, lambda job_list, jobs: services().operator.delete(job_list, jobs, by)))


def _apply(job_list: JobList, action: Callable[[JobList, Sequence[Target]], Changes], flagged: bool = False) -> Changes:
    """Applies an action to the jobs of the form, or to all that match its filter."""
    if request.args.get("all"):
        return services().operator.apply_to_matching(job_list, view.which(request.form), action, flagged)
    return action(job_list, _targets())


def _message(verb: str, changes: Changes) -> str:
    reasons = " ".join(str(refused.error) for refused in changes.refused[:SHOWN_REASONS])
    more = f" {len(changes.refused) - SHOWN_REASONS:,} more were not changed." * (len(changes.refused) > SHOWN_REASONS)
    if changes.refused and not changes.jobs + changes.requested:
        raise WrongStage(f"No job was {verb}. {reasons}{more}")
    return f"{_jobs_were(changes.jobs)} {verb}. {reasons}{more}".strip()


def _fail(job_list: JobList, by: str) -> str:
    targets = _targets()
    if len(targets) != 1:
        raise BadRequest("Name one job in the field jobs.")
    (target,) = targets
    services().operator.fail(job_list, target, by)
    return f"Job {target.jobid} was marked as failed."


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


def _archive(job_list: JobList, by: str) -> str:
    services().list_keeper.archive(job_list, False, by)
    return "Archived."


def _restore(job_list: JobList, by: str) -> str:
    services().list_keeper.restore(job_list, by)
    return "Restored. Workers get jobs again."


def _delete_list(job_list: JobList, by: str) -> str:
    services().list_keeper.delete(job_list, False, by)
    return f"The list {job_list.name} was deleted."


def _readmit(job_list: JobList, by: str) -> str:
    stage, host = stages.require_stage(parsing.stage(request.form.get("stage", ""))), request.form.get("host", "")
    if not services().host_care.readmit(job_list, stage, host, by):
        return f"Host {host[:MAX_WORKER_NAME]} was not set aside."
    return f"Host {host} gets jobs again."


VERBS: dict[str, Callable[[JobList, str], str]] = {
    "retry": _retry,
    "cancel": _cancel,
    "skip": _skip,
    "delete": _delete,
    "fail": _fail,
    "priority": _priority,
    "lifetime": _lifetime,
    "pause": _pause,
    "resume": _resume,
    "readmit": _readmit,
    "archive": _archive,
    "restore": _restore,
    "delete-list": _delete_list,
}
LABELS = {  # of the confirmation buttons
    "retry": "Retry",
    "cancel": "Cancel jobs",
    "skip": "Skip jobs",
    "delete": "Delete jobs",
    "fail": "Fail job",
    "pause": "Pause list",
    "archive": "Archive list",
    "delete-list": "Delete list",
}


def _jobs() -> list[int]:
    return [target.jobid for target in _targets()]


def _targets() -> list[Target]:
    """Parses the selected jobs: `3`; `3:1:0fa3…` for job 3 in stage 1, held by the claim with that id; `3:0:` without a
    claim."""
    texts = [text.strip() for value in request.form.getlist("jobs") for text in value.split(",") if text.strip()]
    targets = [_target(*text.split(":", 2)) for text in texts]
    require_jobids([target.jobid for target in targets])
    return targets


def _target(jobid: str, stage: str = "", claim: str | None = None) -> Target:
    return Target(parsing.whole_number(jobid, "A job's id"), parsing.stage(stage) if stage else None, claim)


def _jobs_were(number: int) -> str:
    if number == 0:
        return "No job was"
    return "1 job was" if number == 1 else f"{number:,} jobs were"
