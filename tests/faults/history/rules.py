"""Rules on stages that check or replicate results."""

from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import Report, RequestLog


def host_of(worker: str) -> str:
    """The host of a worker: its name up to the last colon."""
    return worker.rpartition(":")[0] or worker


def jobs_advance_with_a_pass(log: RequestLog, final: Final) -> Iterator[str]:
    """A job leaves a stage with a check only by a report of the same claim that passed it."""
    for end in final.claim_ends:
        if end.kind != "completed" or not final.rules.get(end.stage, {}).get("check"):
            continue
        if not any(report.body.get("passed") is True for report in log.possible_reports(end)):
            yield f"job {end.job} advanced without a passing check of the same claim: {describe(end)}"


def jobs_advance_with_agreeing_results(log: RequestLog, final: Final) -> Iterator[str]:
    """A job leaves a stage with replication only if enough different hosts reported the same result. Adaptive
    replication also trusts single hosts, and is not judged here."""
    for end in final.claim_ends:
        replication = final.rules.get(end.stage, {}).get("replication")
        if end.kind != "completed" or not replication or replication.get("adaptive", True):
            continue
        agreeing = max((len(_hosts(log, end.stage, report)) for report in log.possible_reports(end)), default=0)
        if agreeing < replication["results"]:
            yield f"job {end.job} advanced with {agreeing} agreeing results: {describe(end)}"


def _hosts(log: RequestLog, stage: int, winner: Report) -> set[str]:
    """The hosts that reported the same result for the job."""
    return {
        host_of(report.worker)
        for report in log.reports_of(winner.job)
        if report.to == stage + 1 and _value(report) == _value(winner)
    }


def _value(report: Report) -> tuple[object, object]:
    return report.body.get("result"), report.body.get("jobcmd")
