"""Rules on the reports of our own client: a killed worker, a node that ends or an outage of the server loses none."""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.history.client_styles import CLIENT
from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import Report, RequestLog

FINAL_REFUSALS = (404, 409)
CLAIM_SPENT = "claim_spent"  # the error of a token for the next jobs: the request is repeated with another one
RESULT_KEYS = ("result", "outputs")


def finished_work_is_delivered(log: RequestLog, final: Final) -> Iterator[str]:
    """The server accepted or refused each result that a client sent. A refused result is set aside, not deleted."""
    for (job, claim), reports in _results_of_clients(log).items():
        is_accepted = any(report.accepted for report in reports)
        refused = [report for report in reports if report.status in FINAL_REFUSALS and report.code != CLAIM_SPENT]
        if not is_accepted and not refused:
            yield f"job {job}: the result of {reports[0].worker} with claim {claim} was never delivered"
        if refused and not is_accepted and (job, claim) not in final.set_aside:
            yield f"job {job}: the refused result of {refused[0].worker} with claim {claim} was not set aside"
    for name, reports_left in final.undelivered.items():
        yield f"the outbox has {reports_left} undelivered reports in {name}"


def _results_of_clients(log: RequestLog) -> dict[tuple[int, str], list[Report]]:
    by_claim: dict[tuple[int, str], list[Report]] = defaultdict(list)
    for report in log.reports:
        if report.worker.startswith(CLIENT) and report.claim is not None and _has_result(report):
            by_claim[report.job, report.claim].append(report)
    return by_claim


def _has_result(report: Report) -> bool:
    return any(key in report.body for key in RESULT_KEYS)


def ended_nodes_cost_no_attempt(_log: RequestLog, final: Final) -> Iterator[str]:
    """The work of the clients never fails, so no report of theirs counts as failed: signals only interrupt it."""
    for end in final.claim_ends:
        if end.worker and end.worker.startswith(CLIENT) and end.counts_as_failed and not end.by_sweep:
            yield f"job {end.job}: an interrupted attempt counts as failed: {describe(end)}: {end.message}"
