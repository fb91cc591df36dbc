"""Queries that begin, find and renew claims."""

from jobserver.store.connection import Row
from jobserver.store.transaction import Transaction

UNFLAG = "flag = CASE WHEN flag > 0 THEN -flag ELSE 0 END"

# The jobs of the list's last stage are done, not available: where the lifetimes name an even stage as the last one.
_PICK = """SELECT id FROM job
    WHERE list_id = :list AND jobstage = :stage AND jobstage % 2 = 0 AND NOT EXISTS (
        SELECT 1 FROM lifetime last WHERE last.list_id = :list AND last.stage % 2 = 0 AND last.stage <= :stage
        AND NOT EXISTS (SELECT 1 FROM lifetime more WHERE more.list_id = :list AND more.stage > last.stage))
    AND NOT EXISTS (SELECT 1 FROM job_list WHERE id = :list AND paused = 1)
    ORDER BY priority DESC, jobid LIMIT :n"""

_CLAIM = """UPDATE job SET previous_stage = jobstage, jobstage = :work, claim = :claim, chosen = :chosen,
    worker = :worker, attempt = attempt + 1, claimed = :now, datecommitted = :now, renewed = :now, cancel = 0,
    deadline = :now + (SELECT lifetime_ms FROM lifetime
                       WHERE list_id = :list AND stage = :work AND lifetime_ms > 0), {unflag}
    WHERE id {pick} RETURNING id, jobid, jobcmd, attempt, deadline, claim, previous_stage, priority, flag"""

_CLAIM_SQLITE = _CLAIM.format(unflag=UNFLAG, pick=f"IN ({_PICK})")
# ANY(ARRAY(…)) is evaluated once; a plain IN (…) may be evaluated again, and then claims too much.
_CLAIM_SKIPPING = _CLAIM.format(unflag=UNFLAG, pick=f"= ANY(ARRAY({_PICK} FOR UPDATE SKIP LOCKED))")
_CLAIM_WAITING = _CLAIM.format(unflag=UNFLAG, pick=f"= ANY(ARRAY({_PICK} FOR UPDATE))")

_HELD_UNDER = """SELECT id, jobid, jobcmd, attempt, deadline, claim, previous_stage FROM job
    WHERE claim = :claim AND list_id + 0 = :list ORDER BY priority DESC, jobid"""  # + 0: not by the list's index

_SPENT = """SELECT 1 FROM history JOIN job ON job.id = history.job_id
    WHERE history.claim = :claim AND job.list_id = :list LIMIT 1"""

_OWN_TOKEN = "UPDATE job SET claim = :own WHERE id = :id AND claim = :claim"

_RENEW = f"""UPDATE job SET renewed = :now, failures = failures - CASE WHEN flag = 1 THEN 1 ELSE 0 END,
    deadline = :now + (SELECT lifetime_ms FROM lifetime
                       WHERE list_id = :list AND stage = job.jobstage AND lifetime_ms > 0), {UNFLAG}
    WHERE list_id = :list AND jobid = :jobid AND claim = :claim AND jobstage % 2 = 1
    RETURNING jobstage, deadline, cancel, flag, worker"""

_CANCEL = "UPDATE job SET cancel = 1 WHERE list_id = :list AND jobid = :jobid AND claim IS NOT NULL RETURNING jobstage"


def claim_jobs(
    tx: Transaction, list_id: int, stage: int, work: int, n: int, claim: str, chosen: bool, worker: str | None, now: int
) -> list[Row]:
    """Moves up to n available jobs of `stage` to `work`, all under one token: rows of (id, jobid, jobcmd, attempt,
    deadline, claim, stage, …), the best first.

    On PostgreSQL, jobs that another transaction has locked are skipped; a transaction that is alone waits for them.
    """
    sql = _CLAIM_SQLITE if not tx.postgresql else _CLAIM_WAITING if tx.alone else _CLAIM_SKIPPING
    rows = tx.all(
        sql, list=list_id, stage=stage, work=work, n=n, claim=claim, chosen=int(chosen), worker=worker, now=now
    )
    if rows:
        tx.count(list_id, stage, jobs=-len(rows), flagged=-sum(row[8] < 0 for row in rows))
        tx.count(list_id, work, jobs=len(rows))
        tx.tallies.heard(list_id, worker, now)
        rows.sort(key=lambda row: (-row[7], row[1]))
    return rows


def give_own_token(tx: Transaction, job_row: int, claim: str, own: str) -> None:
    """Replaces the token of one job of a batch."""
    tx.run(_OWN_TOKEN, id=job_row, claim=claim, own=own)


def lock_token(tx: Transaction, claim: str) -> None:
    """Keeps other server processes from using this token until the transaction ends (SQLite has one writer anyway)."""
    if tx.postgresql:
        tx.all("SELECT pg_advisory_xact_lock(hashtextextended(:claim, 0))", claim=claim)


def held_under(tx: Transaction, list_id: int, claim: str) -> list[Row]:
    """The jobs held under a token, as claim_jobs() gave them."""
    return tx.all(_HELD_UNDER, list=list_id, claim=claim)


def is_spent(tx: Transaction, list_id: int, claim: str) -> bool:
    """Whether a claim under this token has ended."""
    return bool(tx.all(_SPENT, list=list_id, claim=claim))


def renew(tx: Transaction, list_id: int, jobid: int, claim: str, now: int) -> tuple[int | None, bool] | None:
    """Sets the deadline anew: (deadline, whether its worker shall stop); None where the claim doesn't hold the job."""
    rows = tx.all(_RENEW, list=list_id, jobid=jobid, claim=claim, now=now)
    if not rows:
        return None
    stage, deadline, cancel, flag, worker = rows[0]
    tx.tallies.heard(list_id, worker, now)
    if flag < 0:
        tx.count(list_id, stage, flagged=-1)
    return deadline, bool(cancel)


def cancel(tx: Transaction, list_id: int, jobid: int) -> bool:
    """Asks the worker that holds the job to stop; whether there is one."""
    return bool(tx.all(_CANCEL, list=list_id, jobid=jobid))
