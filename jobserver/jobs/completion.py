"""How claims end: a report alone, among others of one request, or among those of other requests."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from jobserver.core.claims import ClaimedJob, Completion, Report
from jobserver.core.errors import JobServerError
from jobserver.core.events import Move
from jobserver.jobs.clock import now_ms
from jobserver.jobs.replay import replay_or_reject
from jobserver.store.queries import completing
from jobserver.store.transaction import RunEachAlone, Transaction

Parsed = Report | JobServerError  # a report, or why it could not be parsed


class CompleteClaim:
    """The work of one request: a report, and `then` a claim. Those that share a transaction are ended together."""

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
        """Called before each of them is, in every transaction: completes the straightforward reports of several
        requests in one UPDATE for each stage."""
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
        except Exception as error:  # its job has moved, and must not
            raise RunEachAlone from error


def complete(tx: Transaction, list_id: int, report: Report, require_claim: bool) -> Completion:
    """Ends one claim, or raises why not."""
    move = completing.end_claim(tx, list_id, report, require_claim, now_ms())
    if move is None:
        return replay_or_reject(tx, list_id, report)
    return Completion(report.jobid, move.to_stage, failed=bool(move.is_ended))


def complete_each(
    tx: Transaction, list_id: int, reports: Sequence[Parsed], require_claim: bool
) -> list[Completion | JobServerError]:
    """Ends many claims, each judged alone: its outcome, or why it was refused, in order."""
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
        except JobServerError as refusal:  # raised before anything of this report changed
            outcomes[number] = refusal
    return [outcomes[number] for number in range(len(reports))]


def _done(tx: Transaction, list_id: int, reports: Sequence[Parsed]) -> Iterator[tuple[int, Move]]:
    """Completes straightforward reports in one UPDATE for each stage: the moves, with the places of their reports.
    Leaves out those that prove nothing, need a closer look, or are not the first about their job."""
    places: dict[int, int] = {}
    stages: dict[int, list[Report]] = defaultdict(list)
    for number, report in enumerate(reports):
        if isinstance(report, JobServerError) or places.setdefault(report.jobid, number) != number:
            continue
        if report.token is not None and report.error is None and report.target > 0:
            stages[report.target].append(report)
    for target, several in sorted(stages.items()):
        several.sort(key=lambda report: report.jobid)  # see _by_jobid
        for move in completing.end_done(tx, list_id, target, several, now_ms()):
            yield places[move.jobid], move


def _by_jobid(reports: Sequence[Parsed]) -> list[int]:
    """The places of the reports, in an order in which two server processes do not block each other."""
    return sorted(range(len(reports)), key=lambda number: getattr(reports[number], "jobid", -1))
