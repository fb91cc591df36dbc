"""Queries of what a person does by hand: send back, fail, prefer. Each is in the job's history, with who did it."""

from collections.abc import Sequence

from jobserver.store.connection import Row
from jobserver.store.queries.completing import BACK
from jobserver.store.queries.history import remember
from jobserver.store.transaction import Transaction, array

_CHOSEN_SQLITE = "jobid IN (SELECT value FROM json_each(:jobids))"
_CHOSEN_POSTGRESQL = "jobid IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:jobids AS json)))"
_BACK = BACK.format(
    to="COALESCE(CAST(:to AS INTEGER), jobstage - 2 + jobstage % 2)",
    failures="CASE WHEN flag >= 2 THEN 0 ELSE failures END", error="error",
    chosen="list_id = :list AND flag > 0 AND jobstage > COALESCE(CAST(:to AS INTEGER), 0) AND {chosen}",
)  # fmt: skip
_FAIL = """UPDATE job SET previous_stage = jobstage, ended_claim = claim, claim = NULL, chosen = 0, cancel = 0,
    error = :error, flag = CASE WHEN flag = 1 THEN 3 ELSE 2 END
    WHERE list_id = :list AND jobid = :jobid AND jobstage % 2 = 1 AND flag < 2
    RETURNING id, list_id, jobid, previous_stage, jobstage, flag, ended_claim, claimed, worker"""
_PREFER = """UPDATE job SET priority = :priority WHERE list_id = :list AND {chosen} AND priority <> :priority
    RETURNING id, list_id, jobid, jobstage, jobstage"""
_NOTE = """INSERT INTO history (job_id, claim, from_stage, to_stage, outcome, started, ended, worker, error)
    VALUES (:id, '', :from, :to, :outcome, NULL, :now, :by, :detail)"""


def send_back(tx: Transaction, list_id: int, jobids: Sequence[int], to: int | None, by: str, now: int) -> list[Row]:
    """Moves those of the jobs that are flagged to the lower even stage `to`, None: each to the one before its own."""
    rows = tx.all(_chosen(tx, _BACK), list=list_id, jobids=array(jobids), to=to, now=now)
    remember(tx, rows, "sent back", now, None)
    _note(tx, rows, "sent back", by, now)
    return rows


def fail(tx: Transaction, list_id: int, jobid: int, by: str, now: int) -> list[Row]:
    """Fails a job that is being worked on: its worker loses it, and nobody gets it until it is sent back."""
    rows = tx.all(_FAIL, list=list_id, jobid=jobid, error=f"failed by {by}", now=now)
    remember(tx, rows, "failed", now, None)
    _note(tx, rows, "failed", by, now)
    return rows


def prefer(tx: Transaction, list_id: int, jobids: Sequence[int], priority: int, by: str, now: int) -> list[Row]:
    """Gives jobs another priority."""
    rows = tx.all(_chosen(tx, _PREFER), list=list_id, jobids=array(jobids), priority=priority)
    _note(tx, rows, "priority", by, now, f"now {priority}")
    return rows


def _chosen(tx: Transaction, sql: str) -> str:
    return sql.replace("{chosen}", _CHOSEN_POSTGRESQL if tx.postgresql else _CHOSEN_SQLITE)


def _note(tx: Transaction, rows: list[Row], outcome: str, by: str, now: int, detail: str | None = None) -> None:
    for row in rows:
        values = {"id": row[0], "from": row[3], "to": row[4], "outcome": outcome, "by": by, "detail": detail}
        tx.run(_NOTE, **values, now=now)
