"""Queries that end claims: done, given back, failed, expired, sent back."""

from dataclasses import dataclass
from typing import Any

from jobserver.connection import Row
from jobserver.storage.claiming import UNFLAG
from jobserver.storage.transaction import Transaction


@dataclass(frozen=True)
class Report:
    """What a worker says at the end of a claim. `claim` None: a founding worker. JSON is text; None: not said."""

    jobid: int
    target: int
    claim: str | None = None
    filename: str | None = None
    jobcmd: str | None = None
    result: str | None = None
    error: str | None = None


_LIFETIME_OF_TARGET = (
    "(SELECT lifetime_ms FROM lifetime WHERE list_id = job.list_id AND stage = {to} AND lifetime_ms > 0)"
)
_MAX_ATTEMPTS = """COALESCE((SELECT max_attempts FROM lifetime
    WHERE lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage), 5)"""
_GIVES_UP = f"(cancel = 1 OR ({_MAX_ATTEMPTS} > 0 AND failures + 1 >= {_MAX_ATTEMPTS}))"
_RETURNING = "RETURNING id, list_id, jobid, previous_stage, jobstage, flag, ended_claim, claimed, worker"

_PROVED = """list_id = :list AND jobid = :jobid AND jobstage % 2 = 1
    AND (jobstage > :to OR (jobstage + 1 = :to AND CAST(:error AS TEXT) IS NULL))"""
BY_CLAIM = f"{_PROVED} AND claim = :claim"
BELIEVED = f"{_PROVED} AND (claim IS NULL OR chosen = 0) AND (flag < 2 OR jobstage > :to)"
SENT_BACK = f"{_PROVED} AND claim IS NULL AND jobstage > :to"

_END = f"""UPDATE job SET previous_stage = jobstage, jobstage = :to, ended_claim = claim, claim = NULL, chosen = 0,
    cancel = 0, attempt = CASE WHEN :to = previous_stage AND flag < 2 THEN attempt ELSE 0 END,
    failures = CASE WHEN jobstage + 1 = :to OR flag >= 2 THEN 0 ELSE failures + :failure END,
    error = CASE WHEN jobstage + 1 = :to THEN NULL ELSE COALESCE(CAST(:error AS TEXT), error) END,
    filename = COALESCE(CAST(:filename AS TEXT), filename),
    jobcmd = COALESCE(CAST(:jobcmd AS TEXT), jobcmd), result = COALESCE(CAST(:result AS TEXT), result),
    datecommitted = :now, renewed = :now, deadline = :now + {_LIFETIME_OF_TARGET.format(to=":to")}, {UNFLAG}
    WHERE {{proved}} {_RETURNING}"""

# A job that failed stays where it was; 3 says that it was flagged before.
_FAIL = f"""UPDATE job SET previous_stage = jobstage, ended_claim = claim, claim = NULL, chosen = 0,
    failures = failures + :failure, error = COALESCE(CAST(:error AS TEXT), error, :reason), cancel = 0,
    flag = CASE WHEN flag = 1 THEN 3 ELSE 2 END
    WHERE {{chosen}} AND {_GIVES_UP} {_RETURNING}"""
_FAIL_REPORTED = "{proved} AND jobstage > :to AND flag < 2 AND (cancel = 1 OR CAST(:error AS TEXT) IS NOT NULL)"

# Expiry is proved twice, for another server may be at the same job: where the rows are chosen, and in the change.
_OVERDUE = "deadline < :now AND flag <= 0"
_SOME_OVERDUE = f"id IN (SELECT id FROM job WHERE {_OVERDUE} ORDER BY deadline LIMIT :n) AND {_OVERDUE}"
_LAST_TIME = f"(jobstage % 2 = 1 AND {_GIVES_UP})"
_FAIL_OVERDUE = _FAIL.format(chosen=f"{_SOME_OVERDUE} AND {_LAST_TIME}")

_REQUEUE_STAGE = """(SELECT requeue FROM lifetime
    WHERE lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage)"""
BACK = f"""UPDATE job SET previous_stage = jobstage, jobstage = {{to}}, ended_claim = claim, claim = NULL, chosen = 0,
    cancel = 0, attempt = CASE WHEN {{to}} = previous_stage AND flag < 2 THEN attempt ELSE 0 END,
    failures = {{failures}}, error = {{error}}, datecommitted = :now, renewed = :now,
    deadline = :now + {_LIFETIME_OF_TARGET}, {UNFLAG}
    WHERE {{chosen}} {_RETURNING}"""
_REQUEUE = BACK.format(
    to=_REQUEUE_STAGE,
    failures="failures + jobstage % 2",
    error="CASE WHEN jobstage % 2 = 1 THEN 'expired' ELSE error END",
    chosen=f"{_SOME_OVERDUE} AND NOT {_LAST_TIME} AND {_REQUEUE_STAGE} IS NOT NULL",
)
_DEGRADE = BACK.format(
    to=":to", failures="CASE WHEN flag >= 2 THEN 0 ELSE failures END", error="error",
    chosen="list_id = :list AND jobstage = :old AND flag > 0",
)  # fmt: skip
_DEGRADE_UNFAILED = _DEGRADE.replace("AND flag > 0", "AND flag = 1")
_FLAG = f"""UPDATE job SET flag = 1, failures = failures + jobstage % 2
    WHERE {_SOME_OVERDUE} AND NOT {_LAST_TIME} AND {_REQUEUE_STAGE} IS NULL RETURNING list_id, jobid, jobstage"""

_REMEMBER = """INSERT INTO history (job_id, claim, from_stage, to_stage, outcome, started, ended, worker, error)
    VALUES (:id, :claim, :from, :to, :outcome, :started, :now, :worker, :error)"""
_REMEMBERED = """SELECT to_stage, outcome FROM history WHERE claim = :claim AND job_id = :id ORDER BY id DESC LIMIT 1"""
_WHERE = "SELECT id, jobstage, claim, chosen, flag FROM job WHERE list_id = :list AND jobid = :jobid"
_OLD = "SELECT id FROM history WHERE ended < :before ORDER BY ended LIMIT :n"
_FORGET = f"DELETE FROM history WHERE id IN ({_OLD})"
_FORGET_POSTGRESQL = f"DELETE FROM history WHERE id = ANY(ARRAY({_OLD}))"


def end_claim(tx: Transaction, list_id: int, report: Report, require_claim: bool, now: int) -> Row | None:
    """Ends a claim as reported: (id, list id, jobid, stage before, stage after, …); None where the report doesn't
    prove itself. The stage after is the stage before if the job failed."""
    proved = BY_CLAIM if report.claim is not None else SENT_BACK if require_claim else BELIEVED
    values: dict[str, Any] = {
        "list": list_id, "jobid": report.jobid, "to": report.target, "claim": report.claim, "error": report.error,
        "now": now, "failure": int(report.error is not None),
    }  # fmt: skip
    sql = _FAIL.format(chosen=_FAIL_REPORTED.format(proved=proved))
    rows = tx.all(sql, **values, reason="cancelled")
    if rows:
        remember(tx, rows, "failed", now, report.error)
        return rows[0]
    values |= {"filename": report.filename, "jobcmd": report.jobcmd, "result": report.result}
    rows = tx.all(_END.format(proved=proved), **values)
    if not rows:
        return None
    remember(tx, rows, "done" if rows[0][3] < report.target else "back", now, report.error)
    return rows[0]


def where_is(tx: Transaction, list_id: int, jobid: int) -> Row | None:
    """(row id, stage, claim, whether its worker chose it, flag) of a job."""
    rows = tx.all(_WHERE, list=list_id, jobid=jobid)
    return rows[0] if rows else None


def remembered(tx: Transaction, job_row: int, claim: str) -> tuple[int, str] | None:
    """How a claim on this job ended: (stage after, outcome)."""
    rows = tx.all(_REMEMBERED, id=job_row, claim=claim)
    return (rows[0][0], rows[0][1]) if rows else None


def fail_overdue(tx: Transaction, now: int, n: int) -> list[Row]:
    """Fails what is overdue for the last time that its stage's max_attempts allows."""
    rows = tx.all(_FAIL_OVERDUE, now=now, n=n, error=None, reason="expired", failure=1)
    _count_expired(tx, rows)
    remember(tx, rows, "failed", now, "expired")
    return rows


def requeue_overdue(tx: Transaction, now: int, n: int) -> list[Row]:
    """Sends back what is overdue in stages that say where to."""
    rows = tx.all(_REQUEUE, now=now, n=n)
    _count_expired(tx, rows)
    remember(tx, rows, "expired", now, None)
    return rows


def flag_overdue(tx: Transaction, now: int, n: int) -> list[Row]:
    """Flags what is overdue: rows of (list id, jobid, stage)."""
    rows = tx.all(_FLAG, now=now, n=n)
    for list_id, _jobid, stage in rows:
        tx.count(list_id, stage, flagged=1, expired=1)
    return rows


def degrade(tx: Transaction, list_id: int, old: int, new: int, now: int) -> list[Row]:
    """Moves the flagged jobs of stage `old` to `new` and ends their claims."""
    rows = tx.all(_DEGRADE, list=list_id, old=old, to=new, now=now)
    remember(tx, rows, "sent back", now, None)
    return rows


def requeue_flagged(tx: Transaction, list_id: int, old: int, new: int, now: int) -> list[Row]:
    """The same for those that have not failed."""
    rows = tx.all(_DEGRADE_UNFAILED, list=list_id, old=old, to=new, now=now)
    remember(tx, rows, "expired", now, None)
    return rows


def forget(tx: Transaction, before: int, n: int) -> int:
    """Deletes the oldest of the history; how many rows."""
    return tx.run(_FORGET_POSTGRESQL if tx.postgresql else _FORGET, before=before, n=n)


def _count_expired(tx: Transaction, rows: list[Row]) -> None:
    for row in rows:
        tx.count(row[1], row[3], expired=1)


def remember(tx: Transaction, rows: list[Row], outcome: str, now: int, error: str | None) -> None:
    """Counts jobs that just moved, and writes their claims' ends into the history."""
    for row_id, list_id, _jobid, old, new, flag, claim, started, worker in rows:
        if claim is not None:
            failed = outcome in ("failed", "expired") or error is not None
            tx.tallies.heard(list_id, worker, now, done=int(new > old), failures=int(failed))
            if new > old:
                tx.tallies.finished(list_id, old, max(0, now - started), now)
        if old == new:
            tx.count(list_id, old, flagged=int(flag == 2), failed=1)
        else:
            tx.count(list_id, old, jobs=-1, flagged=-int(flag < 0), failed=-int(flag < -1))
            tx.count(list_id, new, jobs=1)
        if claim is not None:
            values = {"id": row_id, "claim": claim, "from": old, "to": new, "outcome": outcome, "started": started}
            tx.run(_REMEMBER, **values, now=now, worker=worker, error=error)
