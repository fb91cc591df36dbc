"""Completes claims: a single report, or several reports."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from jobserver.core.claims import Completion, Report
from jobserver.core.errors import JobServerError
from jobserver.core.stages import is_available
from jobserver.core.states import Move, Outcome
from jobserver.jobs import guarded, set_aside
from jobserver.jobs.clock import now_ms
from jobserver.jobs.replay import replay_or_reject, restore_lost_claim
from jobserver.store.queries import completing
from jobserver.store.transaction import Transaction

ParsedReport = Report | JobServerError  # a report, or the error of its parser


def complete(tx: Transaction, list_id: int, report: Report, require_claim: bool) -> Completion | JobServerError:
    """Ends one claim; raises the error if it cannot. Returns an error after a change: a late result was kept."""
    now, reason, replaced, judged = now_ms(), None, False, False
    ended = set_aside.without_blame(tx, list_id, report) if report.is_failure else report
    move = completing.end_claim(tx, list_id, ended, require_claim, now)
    if move is None and restore_lost_claim(tx, list_id, report, now):
        move = completing.end_claim(tx, list_id, ended, require_claim, now)
    if move is None:
        verdict = guarded.judge(tx, list_id, report, require_claim, now)
        if not isinstance(verdict, guarded.Verdict):
            return verdict or replay_or_reject(tx, list_id, report, now)
        report, reason, replaced = verdict
        ended, judged = set_aside.without_blame(tx, list_id, report) if report.is_failure else report, True
        move = completing.end_claim(tx, list_id, ended, require_claim, now, judged=True)
        assert move is not None  # judge() has locked the job
    stays = not is_available(move.to_stage)  # failed, or flagged
    if ended.is_failure and not stays:
        completing.delay(tx, move, random.random(), now)
    cancelled = move.outcome == Outcome.CANCELLED.value
    if report.is_failure or judged:
        set_aside.claim_ended(tx, list_id, report, move, now)
    return Completion(report.jobid, move.to_stage, stays, reason, replaced, cancelled)


def complete_each(
    tx: Transaction, list_id: int, reports: Sequence[ParsedReport], require_claim: bool
) -> list[Completion | JobServerError]:
    """Ends many claims, each independent of the others; returns the outcome or the error of each, in order."""
    outcomes: dict[int, Completion | JobServerError] = {
        number: Completion(move.jobid, move.to_stage) for number, move in complete_done(tx, list_id, reports)
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


def complete_done(tx: Transaction, list_id: int, reports: Sequence[ParsedReport]) -> Iterator[tuple[int, Move]]:
    """Completes straightforward reports in one UPDATE for each stage; yields the moves with the indexes of their
    reports. Skips reports without a token, with an error, without effect, and repeated reports of a job."""
    indexes: dict[int, int] = {}
    stages: dict[int, list[Report]] = defaultdict(list)
    for number, report in enumerate(reports):
        if isinstance(report, JobServerError) or indexes.setdefault(report.jobid, number) != number:
            continue
        if report.token is not None and report.cause is None and report.target > 0:
            stages[report.target].append(report)
    for target, several in sorted(stages.items()):
        several.sort(key=lambda report: report.jobid)  # see _by_jobid
        for move in completing.end_done(tx, list_id, target, several, now_ms()):
            yield indexes[move.jobid], move


def _by_jobid(reports: Sequence[ParsedReport]) -> list[int]:
    """Returns the indexes of the reports, sorted so that two server processes do not deadlock."""
    return sorted(range(len(reports)), key=lambda number: getattr(reports[number], "jobid", -1))
