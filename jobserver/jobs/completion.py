"""How claims end: what is done with a report, alone, among others of one request, or among those of other requests."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from jobserver.core.claims import Claimed, Ended, Report
from jobserver.core.errors import JobServerError
from jobserver.feed.events import Change
from jobserver.jobs.clock import now_ms
from jobserver.jobs.replay import before_or_refused
from jobserver.store.connection import Row
from jobserver.store.group_commit import RunEachAlone
from jobserver.store.queries import completing
from jobserver.store.transaction import Transaction

Read = Report | JobServerError  # a report, or why it can't be read


class Ending:
    """The work of one request: a report, and `then` a claim. Those that share a transaction are ended together."""

    def __init__(
        self, list_id: int, report: Report, require_claim: bool, then: Callable[[Transaction], list[Claimed]]
    ) -> None:
        self._list_id = list_id
        self._report = report
        self._require_claim = require_claim
        self._then = then
        self._row: Row | None = None

    @classmethod
    def together(cls, tx: Transaction, works: Sequence["Ending"]) -> None:
        """Called before each of them is, in every transaction: ends what simply is done."""
        lists: dict[int, list[Ending]] = defaultdict(list)
        for work in works:
            work._row = None
            lists[work._list_id].append(work)
        for list_id, several in sorted(lists.items()) if len(works) > 1 else ():
            for number, row in done(tx, list_id, [work._report for work in several]):
                several[number]._row = row

    def __call__(self, tx: Transaction) -> tuple[Ended, list[Claimed]]:
        if self._row is None:
            return end(tx, self._list_id, self._report, self._require_claim), self._then(tx)
        _note(tx, [self._row])
        try:
            return Ended(self._report.jobid, self._report.target), self._then(tx)
        except Exception as error:  # its job has moved, and must not
            raise RunEachAlone from error


def end(tx: Transaction, list_id: int, report: Report, require_claim: bool) -> Ended:
    """Ends one claim, or raises why not."""
    row = completing.end_claim(tx, list_id, report, require_claim, now_ms())
    if row is None:
        return Ended(report.jobid, *before_or_refused(tx, list_id, report))
    _note(tx, [row])
    return Ended(report.jobid, row[4], failed=row[3] == row[4])


def end_each(
    tx: Transaction, list_id: int, reports: Sequence[Read], require_claim: bool
) -> list[Ended | JobServerError]:
    """Ends many claims, each judged alone: its outcome, or why it was refused, in order."""
    judged: dict[int, Ended | JobServerError] = {}
    rows = dict(done(tx, list_id, reports))
    _note(tx, list(rows.values()))
    for number in _by_jobid(reports):
        if number in rows:
            judged[number] = Ended(rows[number][2], rows[number][4])
            continue
        report = reports[number]
        try:
            judged[number] = report if isinstance(report, JobServerError) else end(tx, list_id, report, require_claim)
        except JobServerError as refusal:  # raised before anything of this report changed
            judged[number] = refusal
    return [judged[number] for number in range(len(reports))]


def done(tx: Transaction, list_id: int, reports: Sequence[Read]) -> Iterator[tuple[int, Row]]:
    """Ends, a statement for each stage, what simply is done: the rows, with their reports' places. Nothing is said of
    those that prove nothing, need a closer look, or aren't the first about their job."""
    places: dict[int, int] = {}
    stages: dict[int, list[Report]] = defaultdict(list)
    for number, report in enumerate(reports):
        if isinstance(report, JobServerError) or places.setdefault(report.jobid, number) != number:
            continue
        if report.claim is not None and report.error is None and report.target > 0:
            stages[report.target].append(report)
    for target, several in sorted(stages.items()):
        several.sort(key=lambda report: report.jobid)  # see _by_jobid
        for row in completing.end_done(tx, list_id, target, several, now_ms()):
            yield places[row[2]], row


def _note(tx: Transaction, rows: Sequence[Row]) -> None:
    """For after the commit; a word for those that went the same way."""
    moves: dict[tuple[int, int, int, str | None], list[int]] = defaultdict(list)
    for row in rows:
        moves[row[1], row[3], row[4], row[8]].append(row[2])
    for (list_id, old, new, worker), jobids in moves.items():
        verb = "failed" if old == new else "advanced" if new > old else "given back"
        tx.notes.append(Change(list_id, verb, tuple(jobids), old, new, worker=worker))


def _by_jobid(reports: Sequence[Read]) -> list[int]:
    """The reports' places, in an order in which two server processes don't wait for each other's jobs for ever."""
    return sorted(range(len(reports)), key=lambda number: getattr(reports[number], "jobid", -1))
