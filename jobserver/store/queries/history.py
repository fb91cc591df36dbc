"""Queries on the history: how claims ended. It is the proof by which a request that is sent twice is known."""

from collections import Counter

from jobserver.store.connection import Row
from jobserver.store.transaction import Transaction, array

# The row as the change left it: what it was is kept beside what it is.
_REMEMBER = """INSERT INTO history (job_id, claim, from_stage, to_stage, outcome, started, ended, worker, error)
    SELECT id, ended_claim, previous_stage, jobstage, :outcome, claimed, :now, worker, :error FROM job
    WHERE id {ids} AND ended_claim IS NOT NULL"""
_REMEMBER_ONE = _REMEMBER.format(ids="= :id")
_REMEMBER_SQLITE = _REMEMBER.format(ids="IN (SELECT value FROM json_each(:ids))")
_REMEMBER_POSTGRESQL = _REMEMBER.format(
    ids="= ANY(ARRAY(SELECT CAST(one AS BIGINT) FROM json_array_elements_text(CAST(:ids AS json)) AS one))"
)
_REMEMBERED = """SELECT to_stage, outcome FROM history WHERE claim = :claim AND job_id = :id ORDER BY id DESC LIMIT 1"""
_OLD = "SELECT id FROM history WHERE ended < :before ORDER BY ended LIMIT :n"
_FORGET = f"DELETE FROM history WHERE id IN ({_OLD})"
_FORGET_POSTGRESQL = f"DELETE FROM history WHERE id = ANY(ARRAY({_OLD}))"


def remember(tx: Transaction, rows: list[Row], outcome: str, now: int, error: str | None) -> None:
    """Counts jobs that just moved, and writes their claims' ends down."""
    if not rows:
        return
    # of a batch most are alike: claimed at the same time, by the same worker
    moves = [(row[1], *row[3:6], row[6] is not None, *row[7:]) for row in rows]
    alike = Counter(moves) if len(moves) > 1 else {moves[0]: 1}
    for (list_id, old, new, flag, claimed, started, worker), n in alike.items():
        if claimed:
            failures = n if outcome in ("failed", "expired") or error is not None else 0
            tx.tallies.heard(list_id, worker, now, done=n if new > old else 0, failures=failures)
            if new > old:
                tx.tallies.finished(list_id, old, max(0, now - started), now, n)
        if old == new:
            tx.count(list_id, old, flagged=n if flag == 2 else 0, failed=n)
        else:
            tx.count(list_id, old, jobs=-n, flagged=-n if flag < 0 else 0, failed=-n if flag < -1 else 0)
            tx.count(list_id, new, jobs=n)
    if len(rows) == 1:
        tx.run(_REMEMBER_ONE, id=rows[0][0], outcome=outcome, now=now, error=error)
        return
    sql = _REMEMBER_POSTGRESQL if tx.postgresql else _REMEMBER_SQLITE
    tx.run(sql, ids=array(row[0] for row in rows), outcome=outcome, now=now, error=error)


def remembered(tx: Transaction, job_row: int, claim: str) -> tuple[int, str] | None:
    """How a claim on this job ended: (stage after, outcome)."""
    rows = tx.all(_REMEMBERED, id=job_row, claim=claim)
    return (rows[0][0], rows[0][1]) if rows else None


def forget(tx: Transaction, before: int, n: int) -> int:
    """Deletes the oldest of it; how many rows."""
    return tx.run(_FORGET_POSTGRESQL if tx.postgresql else _FORGET, before=before, n=n)
