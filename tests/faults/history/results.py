"""A rule on results: no corrupted result reaches the next stage."""

from collections.abc import Iterator
from typing import Any

from tests.faults.history.final import ClaimEnd, Final
from tests.faults.history.request_log import RequestLog

MISSING = object()


def results_come_from_the_winning_claim(log: RequestLog, final: Final) -> Iterator[str]:
    """A job's result and its next jobcmd are those of the report that ended the claim.

    The data of a report without a token is accepted too, where that report may have ended the claim.
    """
    first = {job: jobcmd for submission in log.submissions for job, jobcmd in submission.jobs.items()}

    def expected_values(path: list[ClaimEnd], field: str) -> list[Any]:
        """The values of the last report that has this field; several if the report is not certain."""
        values: list[Any] = []
        for end in reversed(path):
            if not end.is_accepted:
                continue
            bodies = [report.body.get(field, MISSING) for report in log.possible_reports(end)]
            values += [value for value in bodies if value is not MISSING]
            if bodies and MISSING not in bodies:
                return values
        return [*values, first.get(path[0].job) if path and field == "jobcmd" else None]

    for job, final_job in final.jobs.items():
        path = final.paths[job]
        for field, value in (("result", final_job.result), ("jobcmd", final_job.jobcmd)):
            if path and value not in (expected := expected_values(path, field)):
                yield f"job {job}: its {field} {value} is not that of the successful report: {_or(expected)}"
    positions = {(end.job, end.claim): number for path in final.paths.values() for number, end in enumerate(path)}
    for grant in log.grants:
        number = positions.get((grant.job, grant.claim))
        if number is None:
            continue
        path = final.paths[grant.job][:number]
        expected = expected_values(path, "jobcmd") if path else [first.get(grant.job)]
        if grant.jobcmd not in expected:
            yield (
                f"job {grant.job}: at {log.clock(grant.answered_at)} {grant.worker} received the jobcmd {grant.jobcmd};"
                f" the successful report before had {_or(expected)}"
            )


def _or(values: list[Any]) -> str:
    return " or ".join(sorted(map(str, values)))
