"""The routes of an operator's actions on jobs: cancel, skip, delete, retry. The caller has the key of the list."""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from flask import Blueprint, Response, request

from job_manager_wire import list_shapes
from jobserver.api.founding import messages
from jobserver.api.founding.reports import Id, parsed_body
from jobserver.core.bounds import MAX_ENTRIES, MAX_HEARTBEAT_BYTES
from jobserver.core.errors import BadRequest, NoSuchList
from jobserver.core.lists import STATES, Filter, JobList
from jobserver.core.operations import Changes, Target, claim_id
from jobserver.core.stages import require_available, require_stage
from jobserver.jobs.operator import Operator
from jobserver.web.errors import status
from jobserver.web.request import Call, job_list_of, jobix_of
from jobserver.web.responses import json_response
from jobserver.web.services import services

blueprint = Blueprint("operating", __name__)
MAX_TEXT = 200  # characters of a filter
UNKNOWN_ACTOR = "key"  # a request with the secret key, but without a name
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
Action = Callable[[Operator, JobList, Sequence[Target], str], Changes]


class SeenJob(msgspec.Struct, forbid_unknown_fields=True):
    """A job, and where the operator saw it. claim: the token of the claim that holds it."""

    jobid: Id
    jobstage: Id | None = None
    claim: Text | None = None


class Selection(msgspec.Struct, forbid_unknown_fields=True):
    """The body of each route: ids, or a filter, or all."""

    jobs: Annotated[list[Id | SeenJob], msgspec.Meta(max_length=MAX_ENTRIES)] | None = None
    all: bool = False
    state: str | None = None
    stage: Id | None = None
    worker: Text | None = None
    text: Text | None = None


class RetrySelection(Selection):
    """The body of /retry_jobs. to: the even stage to which the jobs return; done: also jobs that are done."""

    to: Id | None = None
    done: bool = False


@blueprint.post("/cancel_jobs")
def cancel_jobs() -> Response:
    """Cancels jobs that are not done."""
    return _respond(Selection, lambda _body: Operator.cancel)


@blueprint.post("/skip_jobs")
def skip_jobs() -> Response:
    """Gives up on jobs: they count as done."""
    return _respond(Selection, lambda _body: Operator.skip)


@blueprint.post("/delete_jobs")
def delete_jobs() -> Response:
    """Deletes jobs that no worker holds."""
    return _respond(Selection, lambda _body: Operator.delete)


@blueprint.post("/retry_jobs")
def retry_jobs() -> Response:
    """Returns flagged jobs to an even stage, and done ones if requested."""

    def retry(body: RetrySelection) -> Action:
        to = None if body.to is None else require_available(body.to)

        def action(operator: Operator, job_list: JobList, targets: Sequence[Target], actor: str) -> Changes:
            return operator.retry(job_list, targets, to, actor, body.done)

        return action

    return _respond(RetrySelection, retry)


def _respond(kind: type[Selection], action: Callable[..., Action]) -> Response:
    call = Call(request.environ, services())
    job_list = job_list_of(call, jobix_of(call))
    with parsed_body(call, kind, MAX_HEARTBEAT_BYTES) as parsed:
        body = parsed or kind()
    if job_list is None:
        raise NoSuchList("No list has this jobix: it has no jobs to change.")
    actor = messages.worker(call) or UNKNOWN_ACTOR
    operator, apply = call.services.operator, action(body)
    if body.jobs is not None:
        changes = apply(operator, job_list, _targets(body), actor)
    else:
        flagged = isinstance(body, RetrySelection) and not body.done
        changes = operator.apply_to_matching(
            job_list,
            _filter(body, flagged),
            lambda job_list, targets: apply(operator, job_list, targets, actor),
            flagged,
        )
    return json_response(_rendered(changes))


def _targets(body: Selection) -> list[Target]:
    if body.all or _filter_of(body):
        raise BadRequest("Give jobs or a filter, not both.")
    if not body.jobs:
        raise BadRequest("The list jobs is empty: name at least one job.")
    return [_target(job) for job in body.jobs]


def _target(job: int | SeenJob) -> Target:
    if isinstance(job, int):
        return Target(job)
    return Target(job.jobid, job.jobstage, None if job.claim is None else claim_id(job.claim))


def _filter(body: Selection, flagged: bool) -> Filter:
    job_filter = _filter_of(body)
    if body.all and job_filter:
        raise BadRequest("Give all or a filter, not both.")
    if not (job_filter or body.all or flagged):
        raise BadRequest('Name the jobs: {"jobs": [3, 4]}, a filter such as {"state": "failed"}, or {"all": true}.')
    return job_filter


def _filter_of(body: Selection) -> Filter:
    if body.state is not None and body.state not in STATES:
        raise BadRequest(f"state is one of {', '.join(STATES)}, not {body.state[:40]!r}.")
    stage = None if body.stage is None else require_stage(body.stage)
    return Filter(stage, body.state, _clean(body.worker), None, _clean(body.text))


def _clean(text: str | None) -> str | None:
    if text is not None and "\x00" in text:
        raise BadRequest("The filter contains a NUL character; remove it.")
    return text


def _rendered(changes: Changes) -> list_shapes.JobChanges:
    refused: list[list_shapes.RefusedChange] = [
        {"jobid": jobid, "status": status(error), "error": error.code, "message": str(error)}
        for jobid, error in changes.refused
    ]
    return {"jobs": changes.jobs, "requested": changes.requested, "refused": refused}
