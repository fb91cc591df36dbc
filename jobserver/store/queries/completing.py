"""Queries that end claims by a worker's report: done, released, failed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jobserver.core.claims import Report
from jobserver.core.lifetimes import pause_ms
from jobserver.core.states import Condition, EventKind, Hold, Move, Outcome
from jobserver.store.transaction import Transaction, array

INTERRUPTED = Condition.INTERRUPTED.value  # the message of the event of an interrupted attempt
LIFETIME = "(SELECT lifetime_ms FROM lifetime WHERE list_id = job.list_id AND stage = {to} AND lifetime_ms > 0)"
_MAX_ATTEMPTS = """COALESCE((SELECT max_attempts FROM lifetime
    WHERE lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage), 5)"""
_RETRY_FOR = """(SELECT retry_for_ms FROM lifetime
    WHERE lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage AND retry_for_ms > 0)"""
GIVES_UP = f"""(cancel = 1 OR ({_MAX_ATTEMPTS} > 0 AND failures + 1 >= {_MAX_ATTEMPTS})
    OR COALESCE(failing_since + {_RETRY_FOR} <= :now, 1 = 0))"""

PREVIOUS = """previous_stage = jobstage, previous_claim = claim, previous_overdue = overdue,
    previous_outcome = outcome"""
_NO_CLAIM = "claim = NULL, client_token = 0, cancel = 0, phase = 'none', lease_ms = NULL, lifetime_end = NULL"
RETURNING = """RETURNING id, list_id, jobid, previous_stage, jobstage,
    CASE WHEN previous_overdue = 1 OR previous_outcome <> 'none' THEN 1 ELSE 0 END,
    previous_outcome, outcome, previous_claim, claimed, worker"""


def moving(to: str, failures: str, error: str, hold: str = "'none'") -> str:
    """Returns the SET part of a statement that moves jobs to the even stage `to`. All arguments are SQL expressions."""
    return f"""UPDATE job SET {PREVIOUS}, jobstage = {to}, {_NO_CLAIM}, overdue = 0, outcome = 'none',
    condition = 'none', attempt = CASE WHEN {to} = previous_stage AND outcome = 'none' THEN attempt ELSE 0 END,
    failures = {failures}, error = {error}, datecommitted = :now, renewed = :now, hold = {hold},
    failing_since = CASE WHEN {failures} > 0 THEN COALESCE(failing_since, :now) END,
    outputs = CASE WHEN jobstage = {to} + 1 THEN outputs END, deadline = :now + {LIFETIME.format(to=to)}"""


def failing(outcome: str, condition: str, failure: str, error: str) -> str:
    """Returns the SET part of a statement that fails or cancels jobs in their stage. All arguments are SQL
    expressions."""
    return f"""UPDATE job SET {PREVIOUS}, {_NO_CLAIM}, overdue = 0, outcome = {outcome}, condition = {condition},
    failures = failures + {failure}, failing_since = COALESCE(failing_since, :now), error = {error}"""


NO_RULES = """NOT EXISTS (SELECT 1 FROM lifetime ruled
    WHERE ruled.list_id = :list AND ruled.stage = :to - 1 AND ruled.rules IS NOT NULL)"""
_PROVED = """list_id = :list AND jobid = :jobid AND jobstage % 2 = 1
    AND (jobstage > :to OR (jobstage + 1 = :to AND CAST(:condition AS TEXT) IS NULL))"""
_FREE = f"(jobstage > :to OR {NO_RULES})"  # otherwise jobs/guarded.py judges the report
_BY_CLAIM = f"{_PROVED} AND claim = :claim"
_WITHOUT_TOKEN = f"{_PROVED} AND (claim IS NULL OR client_token = 0) AND (outcome = 'none' OR jobstage > :to)"
_RETURNED = f"{_PROVED} AND claim IS NULL AND jobstage > :to"
_TO_FAIL = f"""jobstage > :to AND outcome = 'none' AND (cancel = 1 OR :failure = 1) AND ({GIVES_UP} OR :final = 1)"""
_REPORTED = """filename = COALESCE(CAST(:filename AS TEXT), filename),
    jobcmd = COALESCE(CAST(:jobcmd AS TEXT), jobcmd), result = COALESCE(CAST(:result AS TEXT), result)"""
_OUTPUTS = "outputs = COALESCE(CAST(:outputs AS TEXT), outputs)"
_MOVE = moving(
    to=":to",
    failures="CASE WHEN jobstage + 1 = :to OR outcome <> 'none' THEN 0 ELSE failures + :failure END",
    error="CASE WHEN jobstage + 1 = :to THEN NULL ELSE COALESCE(CAST(:error AS TEXT), error) END",
)
_FAIL = failing(
    outcome=f"CASE WHEN cancel = 1 THEN '{Outcome.CANCELLED.value}' ELSE '{Outcome.FAILED.value}' END",
    condition=f"CASE WHEN cancel = 1 THEN '{Condition.CANCELLED_BY_USER.value}' ELSE CAST(:condition AS TEXT) END",
    failure=":failure",
    error="COALESCE(CAST(:error AS TEXT), error, 'cancelled')",
)


# At the end of its lifetime, a job of a stage without `requeue` stays, flagged.
_FLAG = f"""UPDATE job SET {PREVIOUS}, {_NO_CLAIM}, overdue = 1, failures = failures + 1 - overdue,
    failing_since = COALESCE(failing_since, :now), error = :error
    WHERE {_BY_CLAIM} AND outcome = 'none' AND NOT {GIVES_UP} {RETURNING}"""
_REQUEUE = """SELECT requeue FROM job JOIN lifetime ON lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage
    WHERE job.list_id = :list AND jobid = :jobid"""
_BACKOFF = """SELECT backoff_ms, failures FROM job JOIN lifetime ON lifetime.list_id = job.list_id
    AND lifetime.stage = job.previous_stage WHERE job.id = :id AND backoff_ms > 0"""
_DELAY = f"UPDATE job SET hold = '{Hold.DELAYED.value}', deadline = :until WHERE id = :id"


class _Ends(NamedTuple):
    """The two statements that end a claim, for one kind of proof."""

    move: str
    fail: str


def _ends(proof: str) -> _Ends:
    return _Ends(
        f"{_MOVE}, {_REPORTED} WHERE {proof} AND NOT ({_TO_FAIL}) {RETURNING}",
        f"{_FAIL} WHERE {proof} AND {_TO_FAIL} {RETURNING}, outcome",
    )


_WITH_CLAIM, _WITHOUT_CLAIM = _ends(f"{_BY_CLAIM} AND {_FREE}"), _ends(f"{_WITHOUT_TOKEN} AND {_FREE}")
_ONLY_RETURNED = _ends(_RETURNED)
_JUDGED_WITH_CLAIM, _JUDGED_WITHOUT_CLAIM = _ends(_BY_CLAIM), _ends(_WITHOUT_TOKEN)
# Completes several jobs, each proved by its own claim.
_ALL_DONE = f"""{_MOVE} WHERE id {{any_of}}{{proved_reports}}{{end_any}} AND jobstage + 1 = :to
    AND {NO_RULES} {RETURNING}"""
_STORE_REPORT = f"UPDATE job SET {_REPORTED}, {_OUTPUTS} WHERE id = :id"
_STORE_OUTPUTS = f"UPDATE job SET {_OUTPUTS} WHERE id = :id"
_WHERE = "SELECT id, jobstage, claim, client_token, outcome FROM job WHERE list_id = :list AND jobid = :jobid"


class Place(NamedTuple):
    """The stage and the claim of a job. `client_token`: its worker chose the claim's token."""

    row_id: int
    stage: int
    claim: str | None
    client_token: int
    outcome: str


def end_claim(
    tx: Transaction, list_id: int, report: Report, require_claim: bool, now: int, judged: bool = False
) -> Move | None:
    """Ends a claim as reported; None if the report proves no claim, or if the stage has rules and the report was not
    judged by them. A failed job stays in its stage.

    A worker may report without a token, unless require_claim: then it can only return a job that no worker holds.
    """
    if report.token is not None:
        ends = _JUDGED_WITH_CLAIM if judged else _WITH_CLAIM
    elif require_claim:
        ends = _ONLY_RETURNED
    else:
        ends = _JUDGED_WITHOUT_CLAIM if judged else _WITHOUT_CLAIM
    cause = report.cause
    values: dict[str, Any] = {
        "list": list_id, "jobid": report.jobid, "to": report.target, "claim": report.token, "error": report.error,
        "condition": None if cause is None else cause.value, "now": now, "failure": int(report.is_failure),
        "final": int(not report.retry),
    }  # fmt: skip
    if cause is Condition.TIMEOUT and report.token is not None:
        requeue = tx.all(_REQUEUE, list=list_id, jobid=report.jobid)
        if requeue and requeue[0][0] is not None:
            values["to"] = requeue[0][0]
        elif flagged := tx.all(_FLAG, **values):
            return _record_flagged(tx, Move(*flagged[0]), report, now)
    rows = tx.all(ends.move, **values, filename=report.filename, jobcmd=report.jobcmd, result=report.result)
    if rows:
        move = Move(*rows[0])
        if report.outputs is not None and move.from_stage < report.target:
            tx.run(_STORE_OUTPUTS, id=move.row_id, outputs=report.outputs)
        kind = EventKind.RELEASED if move.claim is not None else EventKind.REQUEUED
        kind = EventKind.COMPLETED if move.from_stage < report.target else kind
        interrupted = cause is Condition.INTERRUPTED
        message = INTERRUPTED if interrupted else None
        tx.record_moves(kind, [move], now, message=message, error=report.error, interrupted=interrupted)
        return move
    rows = tx.all(ends.fail, **values)
    if not rows:
        return None
    *row, outcome = rows[0]
    move = Move(*row)
    kind = EventKind.CANCELLED if outcome == Outcome.CANCELLED.value else EventKind.FAILED
    tx.record_moves(kind, [move], now, error=report.error)
    return move


def delay(tx: Transaction, move: Move, jitter: float, now: int) -> None:
    """Holds a job that was returned after a failure for the pause of its stage, if the stage has one. `jitter`: 0 to
    1."""
    for backoff_ms, failures in tx.all(_BACKOFF, id=move.row_id):
        tx.run(_DELAY, id=move.row_id, until=now + pause_ms(backoff_ms, failures, jitter))


def end_done(tx: Transaction, list_id: int, target: int, reports: Sequence[Report], now: int) -> list[Move]:
    """Ends many claims in one statement; their jobs are done and move to `target`. All reports have a token and no
    error. A report that proves no claim changes nothing. Returns the moves."""
    rows = array((report.jobid, report.token) for report in reports)
    values = {"list": list_id, "to": target, "now": now, "rows": rows, "error": None, "condition": None, "failure": 0}
    moves = [Move(*row) for row in tx.all(_ALL_DONE, **values)]
    tx.record_moves(EventKind.COMPLETED, moves, now)
    ids = {(move.jobid, move.claim): move.row_id for move in moves}
    tx.many(
        _STORE_REPORT,
        (
            {
                "id": ids.pop(proof),
                "filename": report.filename,
                "jobcmd": report.jobcmd,
                "result": report.result,
                "outputs": report.outputs,
            }
            for report in reports
            if (proof := (report.jobid, report.token)) in ids
            and not (report.filename is report.jobcmd is report.result is report.outputs is None)
        ),
    )
    return moves


def _record_flagged(tx: Transaction, move: Move, report: Report, now: int) -> Move:
    tx.record_moves(EventKind.EXPIRED, [move], now, error=report.error)
    tx.count(move.list_id, move.from_stage, flagged=1, expired=1)
    return move


def where_is(tx: Transaction, list_id: int, jobid: int) -> Place | None:
    """Returns the stage and claim of a job; None if the list has no such job."""
    rows = tx.all(_WHERE, list=list_id, jobid=jobid)
    return Place(*rows[0]) if rows else None
