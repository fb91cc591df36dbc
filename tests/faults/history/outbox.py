"""Rules on the reports of our own client: a killed worker, a node that ends or an outage of the server loses none."""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.history.client_styles import CLIENT
from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import Report, RequestLog

CONFLICT, NO_SUCH_JOB = 409, 404
RESULT_KEYS = ("result", "outputs")


def finished_work_is_delivered(log: RequestLog, final: Final) -> Iterator[str]:
    """The server accepted or refused each report that a client sent. A refused result is set aside, not deleted."""
    for (job, claim), reports in _reports_of_clients(log).items():
        if not any(report.accepted or report.refused for report in reports):
            yield f"job {job}: the report of {reports[0].worker} with claim {claim} was never delivered"
        refused = [report for report in reports if report.status in (CONFLICT, NO_SUCH_JOB)]
        is_accepted = any(report.accepted for report in reports)
        if refused and not is_accepted and _has_result(refused[0]) and (job, claim) not in final.set_aside:
            yield f"job {job}: the refused result of {refused[0].worker} with claim {claim} was not set aside"
    for name, reports_left in final.undelivered.items():
        yield f"the outbox has {reports_left} undelivered reports in {name}"


def _reports_of_clients(log: RequestLog) -> dict[tuple[int, str], list[Report]]:
    by_claim: dict[tuple[int, str], list[Report]] = defaultdict(list)
    for report in log.reports:
        if report.worker.startswith(CLIENT) and report.claim is not None:
            by_claim[report.job, report.claim].append(report)
    return by_claim


def _has_result(report: Report) -> bool:
    return any(key in report.body for key in RESULT_KEYS)


def ended_nodes_cost_no_attempt(_log: RequestLog, final: Final) -> Iterator[str]:
    """The work of the clients never fails, so no report of theirs counts as failed: signals only interrupt it."""
    for end in final.claim_ends:
        if end.worker and end.worker.startswith(CLIENT) and end.counts_as_failed and not end.by_sweep:
            yield f"job {end.job}: an interrupted attempt counts as failed: {describe(end)}: {end.message}"
