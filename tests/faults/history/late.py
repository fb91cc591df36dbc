"""Rules on late results, of claims that were lost before their workers reported."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.promises import ends_by_claim
from tests.faults.history.request_log import RequestLog

MAX_KEPT = 5  # late results of one job


def late_results_are_kept(log: RequestLog, final: Final) -> Iterator[str]:
    """A result that was refused because its claim was lost is kept beside the job's own."""
    known, kept = ends_by_claim(final), {(late.job, late.claim) for late in final.late_results}
    kept_of_job = Counter(late.job for late in final.late_results)
    for report in log.reports:
        end = known.get((report.job, report.claim or ""))
        if end is None or not end.by_sweep or report.to != end.stage + 1 or report.code != "claim_lost":
            continue
        if (end.job, end.claim) not in kept and kept_of_job[end.job] < MAX_KEPT:
            yield f"job {end.job}: the late result of {report.worker} was not kept: {describe(end)}"


def late_results_belong_to_lost_claims(log: RequestLog, final: Final) -> Iterator[str]:
    """A result that is kept was reported with its claim, which was lost and did not end the job later."""
    known = ends_by_claim(final)
    for late in final.late_results:
        end = known.get((late.job, late.claim))
        if end is None or not end.by_sweep:
            state = "is unknown" if end is None else f"was not lost: {describe(end)}"
            yield f"job {late.job}: a late result was kept, but its claim {late.claim} {state}"
        elif not any(
            report.claim == late.claim and report.body.get("result") == late.result
            for report in log.reports_of(late.job)
        ):
            yield f"job {late.job}: nobody reported the late result {late.result} with claim {late.claim}"


def late_results_win_if_nobody_claimed(_log: RequestLog, final: Final) -> Iterator[str]:
    """A lost claim ends its job only if nobody claimed the job in between."""
    for jobid, path in final.paths.items():
        lost: set[str] = set()
        for before, end in zip([None, *path], path, strict=False):
            if end.claim in lost and not end.is_late(before):
                yield f"job {jobid}: accepted late, though another worker had claimed it: {describe(end)}"
            if end.by_sweep:
                lost.add(end.claim)
