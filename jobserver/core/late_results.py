"""Compares a late result, which was kept, with the result that was accepted."""

import json
from enum import Enum
from typing import NamedTuple

from jobserver.core.errors import BadRequest
from jobserver.core.rules import json_key


class Comparison(str, Enum):
    """How a late result compares with the accepted one."""

    SAME = "the same as the accepted result"
    DIFFERENT = "differs from the accepted result"
    NONE_ACCEPTED = "no result of this stage has been accepted yet"
    MOVED_ON = "not compared: the job has left the stage that the result was for"
    NO_CONTENT = "not compared: it has neither a result nor output files"


class Content(NamedTuple):
    """What a report contains that can be compared. JSON as text."""

    result: str | None
    outputs: str | None


def compare(late: Content, work: int, accepted: Content, stage: int, skipped: bool) -> Comparison:
    """Compares a late result of working stage `work` with the content of its job, which is in `stage` now. `skipped`: a
    person gave up on the job. A late result without output files, or without a result, is compared by its other
    part."""
    if stage <= work or skipped:
        return Comparison.NONE_ACCEPTED
    if stage > work + 2:
        return Comparison.MOVED_ON
    if late.result is None and late.outputs is None:
        return Comparison.NO_CONTENT
    same_result = late.result is None or _is_equal(late.result, accepted.result)
    same_outputs = late.outputs is None or _checksums(late.outputs) == _checksums(accepted.outputs)
    return Comparison.SAME if same_result and same_outputs else Comparison.DIFFERENT


def _is_equal(late: str, accepted: str | None) -> bool:
    try:
        return late == accepted or json_key(late, None) == json_key(accepted, None)
    except BadRequest:  # nested too deeply: only equal texts are equal
        return False


def _checksums(outputs: str | None) -> list[str]:
    return [file["sha256"] for file in json.loads(outputs or "[]")]
