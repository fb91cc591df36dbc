"""Delivers the reports that workers left in the outbox: they were killed, or the server was unreachable."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..api.codec import decode_output
from ..api.job_client import JobClient
from ..api.responses import Outcome
from ..api.types import Job, as_json
from ..errors import BadRequest, ListDeleted, TooLarge
from .background_request import BackgroundRequest
from .batch import MAX_SIZE
from .outbox import LeftReports, has_result
from .outputs import publish, set_aside
from .stopping import Stopping

if TYPE_CHECKING:  # a copy of this folder alone must work
    from job_manager_wire import shapes

log = logging.getLogger(__name__)

OK, TOO_MANY, SERVER_ERROR = 200, 429, 500


@dataclass
class Delivered:
    """reports: how many the server accepted. set_aside: files of refused results. of_running_workers: files left to
    their workers."""

    reports: int = 0
    set_aside: list[str] = field(default_factory=list)
    of_running_workers: int = 0


class Stopped(Exception):
    """A signal arrived while the server had not responded."""


def deliver_left(client: JobClient, stopping: Stopping) -> Delivered:
    """Delivers what workers that have ended left for this list. Raises ClientError if the server is unreachable; then
    the reports stay."""
    delivered = Delivered()
    with contextlib.suppress(Stopped), LeftReports(client.list_key) as left:
        delivered.of_running_workers = left.of_running_workers
        for path, requests in left.files():
            complete = True
            for entries in requests:
                complete &= _deliver(client, stopping, left, entries, delivered)
            if complete:
                left.delivered(path)
    if delivered.reports or delivered.set_aside:
        log.warning("outbox: delivered %d reports of workers that have ended", delivered.reports)
    return delivered


def _deliver(
    client: JobClient,
    stopping: Stopping,
    left: LeftReports,
    entries: Sequence[shapes.ReportEntry],
    delivered: Delivered,
) -> bool:
    """Delivers the reports of one request. False if the server could not handle one of them now."""
    complete = True
    for entry, outcome in zip(entries, _send(client, stopping, entries), strict=True):
        outputs = [decode_output(value) for value in entry.get("outputs", ())]
        if outcome.status == OK:
            delivered.reports += 1
            if outcome.jobstage == entry["jobstage"] and not outcome.replaced:
                publish(outputs)
        elif outcome.status == TOO_MANY or outcome.status >= SERVER_ERROR:
            log.warning("outbox: job %d: %s", outcome.jobid, outcome.message)
            complete = False
        elif has_result(entry):
            path = left.set_aside(entry, outcome.status, outcome.message)
            files = "".join(f", its output files to {moved}" for moved in set_aside(outputs))
            log.warning("outbox: job %d: %s Its result was moved to %s%s", outcome.jobid, outcome.message, path, files)
            delivered.set_aside.append(path)
    return complete


def _send(client: JobClient, stopping: Stopping, entries: Sequence[shapes.ReportEntry]) -> list[Outcome]:
    if not entries:
        return []
    try:
        if len(entries) <= MAX_SIZE:
            return _request(client, stopping, entries)
    except (TooLarge, BadRequest) as problem:
        if len(entries) == 1:
            return [Outcome(entries[0]["jobid"], problem.status, str(problem), error=problem.code)]
    except ListDeleted as problem:
        return [Outcome(entry["jobid"], problem.status, str(problem), error=problem.code) for entry in entries]
    half = len(entries) // 2
    return _send(client, stopping, entries[:half]) + _send(client, stopping, entries[half:])


def _request(client: JobClient, stopping: Stopping, entries: Sequence[shapes.ReportEntry]) -> list[Outcome]:
    request: BackgroundRequest[tuple[list[Outcome], list[Job]]] = BackgroundRequest(
        lambda: client.send_reports(as_json(entries), len(entries)), late=lambda _response: None
    )
    while not request.done():
        if stopping.soon and request.abandon():
            raise Stopped
    return request.response()[0]
