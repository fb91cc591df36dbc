"""Rules on the output files of our own client: each belongs to the claim whose report was accepted."""

from collections.abc import Iterator

from tests.faults.history.final import ClaimEnd, Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import RequestLog

CLAIM_CHARACTERS = 8  # of a claim, in the name of the private directory of its attempt
WRONG_INPUT = "the input "  # how the error begins if a worker finds another file than the one that was reported


def outputs_belong_to_the_accepted_claim(log: RequestLog, final: Final) -> Iterator[str]:
    """The published file of a job is the complete one of the attempt that ended its stage."""
    ends = {(end.job, end.stage): end for end in final.claim_ends if end.kind == "completed"}
    for (job, stage), end in ends.items():
        if not any("outputs" in report.body for report in log.possible_reports(end)):
            continue
        content = final.outputs.get((job, stage))
        if content is None:
            yield f"job {job}: the output of stage {stage} was not published, though accepted: {describe(end)}"
        elif not _is_complete_output_of(end, content):
            yield f"job {job}: the output of stage {stage} is {content!r}, not that of {describe(end)}"
    for job, stage in final.outputs.keys() - ends.keys():
        yield f"job {job}: an output of stage {stage} was published, and no report of it was accepted"


def _is_complete_output_of(end: ClaimEnd, content: str) -> bool:
    lines = content.splitlines()
    return len(lines) == 2 and all(line.endswith(end.claim[-CLAIM_CHARACTERS:]) for line in lines)


def no_input_is_wrong(_log: RequestLog, final: Final) -> Iterator[str]:
    """No worker of the next stage finds a missing or another file than the one that was reported."""
    for end in final.claim_ends:
        if end.message is not None and WRONG_INPUT in end.message:
            yield f"job {end.job}: {describe(end)}: {end.message}"
