"""The route of the rules of a stage: its check, its replication, and whether it sets hosts aside."""

from typing import cast

from flask import Response, request

from job_manager_wire import shapes
from jobserver.api.founding import reports
from jobserver.core import stages
from jobserver.core.bounds import MAX_RULES_BYTES
from jobserver.core.errors import BadRequest
from jobserver.core.rules import Rules, RulesChange
from jobserver.store.queries import replicas
from jobserver.web import parsing
from jobserver.web.request import Call, job_list_of, jobix_of
from jobserver.web.responses import json_response
from jobserver.web.services import services


def stage_rules(stage: str) -> Response:
    """Returns the rules of a working stage; POST changes them."""
    call = Call(request.environ, services())
    number, stage_number = jobix_of(call), stages.require_stage(parsing.stage(stage))
    if stages.is_available(stage_number):
        raise BadRequest(f"Rules belong to a working stage, which is odd; {stage_number} is even.")
    if request.method == "POST":
        with reports.parsed_body(call, RulesChange, MAX_RULES_BYTES) as body:
            if body is None:
                raise BadRequest("The body is empty; it has the keys check, replication and set_aside.")
            stored = call.services.lists.set_rules(number, stage_number, body)
    else:
        job_list = job_list_of(call, number)
        stored = replicas.rules(call.services.database.read, job_list.id, stage_number) if job_list else Rules()
    return json_response(
        cast(
            shapes.StageRules,
            {
                "stage": stage_number,
                "check": stored.check,
                "replication": stored.replication,
                "set_aside": stored.set_aside,
            },
        )
    )
