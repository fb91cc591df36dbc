"""Queries on the history: how claims ended. It is the proof by which a request that is sent twice is known."""

from jobserver.connection import Row
from jobserver.storage.transaction import Transaction

_REMEMBER = """INSERT INTO history (job_id, claim, from_stage, to_stage, outcome, started, ended, worker, error)
    VALUES (:id, :claim, :from, :to, :outcome, :started, :now, :worker, :error)"""
_REMEMBERED = """SELECT to_stage, outcome FROM history WHERE claim = :claim AND job_id = :id ORDER BY id DESC LIMIT 1"""
_OLD = "SELECT id FROM history WHERE ended < :before ORDER BY ended LIMIT :n"
_FORGET = f"DELETE FROM history WHERE id IN ({_OLD})"
_FORGET_POSTGRESQL = f"DELETE FROM history WHERE id = ANY(ARRAY({_OLD}))"


def remember(tx: Transaction, rows: list[Row], outcome: str, now: int, error: str | None) -> None:
    """Counts jobs that just moved, and writes their claims' ends down."""
    ended = []
    for row_id, list_id, _jobid, old, new, flag, claim, started, worker in rows:
        if claim is not None:
            failed = outcome in ("failed", "expired") or error is not None
            tx.tallies.heard(list_id, worker, now, done=int(new > old), failures=int(failed))
            if new > old:
                tx.tallies.finished(list_id, old, max(0, now - started), now)
            ended.append(
                {"id": row_id, "claim": claim, "from": old, "to": new, "outcome": outcome, "started": started,
                 "now": now, "worker": worker, "error": error}
            )  # fmt: skip
        if old == new:
            tx.count(list_id, old, flagged=int(flag == 2), failed=1)
        else:
            tx.count(list_id, old, jobs=-1, flagged=-int(flag < 0), failed=-int(flag < -1))
            tx.count(list_id, new, jobs=1)
    tx.many(_REMEMBER, ended)


def remembered(tx: Transaction, job_row: int, claim: str) -> tuple[int, str] | None:
    """How a claim on this job ended: (stage after, outcome)."""
    rows = tx.all(_REMEMBERED, id=job_row, claim=claim)
    return (rows[0][0], rows[0][1]) if rows else None


def forget(tx: Transaction, before: int, n: int) -> int:
    """Deletes the oldest of it; how many rows."""
    return tx.run(_FORGET_POSTGRESQL if tx.postgresql else _FORGET, before=before, n=n)
