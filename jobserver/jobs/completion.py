"""Completes claims: a single report, several reports of one request, or reports of several requests."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from jobserver.core.claims import ClaimedJob, Completion, Report
from jobserver.core.errors import JobServerError
from jobserver.core.states import Move
from jobserver.jobs.clock import now_ms
from jobserver.jobs.replay import replay_or_reject
from jobserver.store.queries import completing
from jobserver.store.transaction import RunEachAlone, Transaction

ParsedReport = Report | JobServerError  # a report, or the error of its parser


class CompleteClaim:
    """The work of one request: a report, and `then` a claim. Works that share a transaction are completed together."""

    def __init__(
        self, list_id: int, report: Report, require_claim: bool, then: Callable[[Transaction], list[ClaimedJob]]
    ) -> None:
        self._list_id = list_id
        self._report = report
        self._require_claim = require_claim
        self._then = then
        self._done = False

    @classmethod
    def together(cls, tx: Transaction, works: Sequence["CompleteClaim"]) -> None:
        """Completes the straightforward reports of several requests in one UPDATE for each stage. The commit queue
        calls it before the works themselves, in every transaction."""
        lists: dict[int, list[CompleteClaim]] = defaultdict(list)
        for work in works:
            work._done = False
            lists[work._list_id].append(work)
        for list_id, several in sorted(lists.items()) if len(works) > 1 else ():
            for number, _move in _done(tx, list_id, [work._report for work in several]):
                several[number]._done = True

    def __call__(self, tx: Transaction) -> tuple[Completion, list[ClaimedJob]]:
        if not self._done:
            return complete(tx, self._list_id, self._report, self._require_claim), self._then(tx)
        try:
            return Completion(self._report.jobid, self._report.target), self._then(tx)
        except Exception as error:  # undo the completion
            raise RunEachAlone from error


def complete(tx: Transaction, list_id: int, report: Report, require_claim: bool) -> Completion:
    """Ends one claim; raises the error if it cannot."""
    move = completing.end_claim(tx, list_id, report, require_claim, now_ms())
    if move is None:
        return replay_or_reject(tx, list_id, report)
    return Completion(report.jobid, move.to_stage, failed=bool(move.is_ended))


def complete_each(
    tx: Transaction, list_id: int, reports: Sequence[ParsedReport], require_claim: bool
) -> list[Completion | JobServerError]:
    """Ends many claims, each independent of the others; returns the outcome or the error of each, in order."""
    outcomes: dict[int, Completion | JobServerError] = {
        number: Completion(move.jobid, move.to_stage) for number, move in _done(tx, list_id, reports)
    }
    for number in _by_jobid(reports):
        if number in outcomes:
            continue
        report = reports[number]
        try:
            outcomes[number] = (
                report if isinstance(report, JobServerError) else complete(tx, list_id, report, require_claim)
            )
        except JobServerError as refusal:  # raised before any change by this report
            outcomes[number] = refusal
    return [outcomes[number] for number in range(len(reports))]


def _done(tx: Transaction, list_id: int, reports: Sequence[ParsedReport]) -> Iterator[tuple[int, Move]]:
    """Completes straightforward reports in one UPDATE for each stage; yields the moves with the indexes of their
    reports. Skips reports without a token, with an error, without effect, and repeated reports of a job."""
    indexes: dict[int, int] = {}
    stages: dict[int, list[Report]] = defaultdict(list)
    for number, report in enumerate(reports):
        if isinstance(report, JobServerError) or indexes.setdefault(report.jobid, number) != number:
            continue
        if report.token is not None and report.error is None and report.target > 0:
            stages[report.target].append(report)
    for target, several in sorted(stages.items()):
        several.sort(key=lambda report: report.jobid)  # see _by_jobid
        for move in completing.end_done(tx, list_id, target, several, now_ms()):
            yield indexes[move.jobid], move


def _by_jobid(reports: Sequence[ParsedReport]) -> list[int]:
    """Returns the indexes of the reports, sorted so that two server processes do not deadlock."""
    return sorted(range(len(reports)), key=lambda number: getattr(reports[number], "jobid", -1))
