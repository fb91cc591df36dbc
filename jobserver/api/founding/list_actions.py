"""The routes of an operator's actions on a list: archive, restore, delete. The caller has the key of the list."""

from typing import Annotated

import msgspec
from flask import Blueprint, Response, request

from job_manager_wire import list_shapes
from jobserver.api.founding import messages
from jobserver.api.founding.operating import UNKNOWN_ACTOR
from jobserver.api.founding.reports import parsed_body
from jobserver.core.bounds import MAX_LIST_NAME, MAX_REPORT_BYTES
from jobserver.core.errors import BadRequest, NoSuchList
from jobserver.core.lists import JobList
from jobserver.web.request import Call, job_list_of, jobix_of
from jobserver.web.responses import json_response
from jobserver.web.services import services

blueprint = Blueprint("list_actions", __name__)


class Archiving(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /archive_list. force: also while workers hold jobs."""

    force: bool = False


class Restoring(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /restore_list."""


class Deleting(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /delete_list. name: the name of the list, as a confirmation."""

    name: Annotated[str, msgspec.Meta(max_length=MAX_LIST_NAME)] | None = None
    force: bool = False


@blueprint.post("/archive_list")
def archive_list() -> Response:
    """Makes the list read-only, and hides it from the overview."""
    call, job_list = _list_of_caller()
    with parsed_body(call, Archiving, MAX_REPORT_BYTES) as parsed:
        body = parsed or Archiving()
    call.services.list_keeper.archive(job_list, body.force, _actor(call))
    return _rendered(job_list, "archived")


@blueprint.post("/restore_list")
def restore_list() -> Response:
    """Restores an archived list."""
    call, job_list = _list_of_caller()
    with parsed_body(call, Restoring, MAX_REPORT_BYTES):
        pass
    call.services.list_keeper.restore(job_list, _actor(call))
    return _rendered(job_list, "restored")


@blueprint.post("/delete_list")
def delete_list() -> Response:
    """Deletes the list and its jobs."""
    call, job_list = _list_of_caller()
    with parsed_body(call, Deleting, MAX_REPORT_BYTES) as parsed:
        body = parsed or Deleting()
    if body.name != job_list.name:
        raise BadRequest(f'To delete this list, confirm its name: {{"name": "{job_list.name}"}}. Nothing was changed.')
    call.services.list_keeper.delete(job_list, body.force, _actor(call))
    return _rendered(job_list, "deleted")


def _list_of_caller() -> tuple[Call, JobList]:
    call = Call(request.environ, services())
    number = jobix_of(call)
    job_list = job_list_of(call, number) and call.services.keys.look_up(number)  # with its current name
    if job_list is None:
        raise NoSuchList("No list has this jobix: nothing was changed.")
    return call, job_list


def _actor(call: Call) -> str:
    return messages.worker(call) or UNKNOWN_ACTOR


def _rendered(job_list: JobList, change: str) -> Response:
    response: list_shapes.ListChange = {"list": job_list.name, "change": change}
    return json_response(response)
