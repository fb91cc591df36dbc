"""Queries that end claims as their workers report it: done, given back, failed."""

from collections.abc import Sequence
from typing import Any

from jobserver.core.claims import Report
from jobserver.store.connection import Row
from jobserver.store.queries.claiming import UNFLAG
from jobserver.store.queries.history import remember
from jobserver.store.transaction import Transaction, array

_LIFETIME_OF_TARGET = (
    "(SELECT lifetime_ms FROM lifetime WHERE list_id = job.list_id AND stage = {to} AND lifetime_ms > 0)"
)
_MAX_ATTEMPTS = """COALESCE((SELECT max_attempts FROM lifetime
    WHERE lifetime.list_id = job.list_id AND lifetime.stage = job.jobstage), 5)"""
GIVES_UP = f"(cancel = 1 OR ({_MAX_ATTEMPTS} > 0 AND failures + 1 >= {_MAX_ATTEMPTS}))"
_RETURNING = "RETURNING id, list_id, jobid, previous_stage, jobstage, flag, ended_claim, claimed, worker"

_PROVED = """list_id = :list AND jobid = :jobid AND jobstage % 2 = 1
    AND (jobstage > :to OR (jobstage + 1 = :to AND CAST(:error AS TEXT) IS NULL))"""
BY_CLAIM = f"{_PROVED} AND claim = :claim"
BELIEVED = f"{_PROVED} AND (claim IS NULL OR chosen = 0) AND (flag < 2 OR jobstage > :to)"
SENT_BACK = f"{_PROVED} AND claim IS NULL AND jobstage > :to"
_TO_FAIL = f"jobstage > :to AND flag < 2 AND (cancel = 1 OR CAST(:error AS TEXT) IS NOT NULL) AND {GIVES_UP}"

# Several that are done, each proved by its own claim. `|| ''`: by the job's number, for a batch has one claim.
_ALL_DONE_SQLITE = """id IN (SELECT held.id FROM json_each(:said) AS one CROSS JOIN job AS held
    WHERE held.list_id = :list AND held.jobid = json_extract(one.value, '$[0]')
    AND held.claim || '' = json_extract(one.value, '$[1]')) AND jobstage + 1 = :to"""
# FOR UPDATE: the proof is made again on a row that was waited for.
_ALL_DONE_POSTGRESQL = """id = ANY(ARRAY(SELECT held.id FROM json_array_elements(CAST(:said AS json)) AS one
    CROSS JOIN LATERAL (SELECT id FROM job WHERE list_id = :list AND jobid = CAST(one ->> 0 AS BIGINT)
        AND claim || '' = one ->> 1 FOR UPDATE) AS held)) AND jobstage + 1 = :to"""

_MOVE = f"""UPDATE job SET previous_stage = jobstage, jobstage = :to, ended_claim = claim, claim = NULL, chosen = 0,
    cancel = 0, attempt = CASE WHEN :to = previous_stage AND flag < 2 THEN attempt ELSE 0 END,
    failures = CASE WHEN jobstage + 1 = :to OR flag >= 2 THEN 0 ELSE failures + :failure END,
    error = CASE WHEN jobstage + 1 = :to THEN NULL ELSE COALESCE(CAST(:error AS TEXT), error) END,
    filename = COALESCE(CAST(:filename AS TEXT), filename),
    jobcmd = COALESCE(CAST(:jobcmd AS TEXT), jobcmd), result = COALESCE(CAST(:result AS TEXT), result),
    datecommitted = :now, renewed = :now, deadline = :now + {_LIFETIME_OF_TARGET.format(to=":to")}, {UNFLAG}
    WHERE {{chosen}} {_RETURNING}"""

# A job that failed stays where it was; 3 says that it was flagged before.
FAIL = f"""UPDATE job SET previous_stage = jobstage, ended_claim = claim, claim = NULL, chosen = 0,
    failures = failures + :failure, error = COALESCE(CAST(:error AS TEXT), error, :reason), cancel = 0,
    flag = CASE WHEN flag = 1 THEN 3 ELSE 2 END
    WHERE {{chosen}} {_RETURNING}"""
_ENDS = {
    proved: (_MOVE.format(chosen=f"{proved} AND NOT ({_TO_FAIL})"), FAIL.format(chosen=f"{proved} AND {_TO_FAIL}"))
    for proved in (BY_CLAIM, BELIEVED, SENT_BACK)
}
_DONE_SQLITE, _DONE_POSTGRESQL = (_MOVE.format(chosen=chosen) for chosen in (_ALL_DONE_SQLITE, _ALL_DONE_POSTGRESQL))
_SAY = """UPDATE job SET filename = COALESCE(CAST(:filename AS TEXT), filename),
    jobcmd = COALESCE(CAST(:jobcmd AS TEXT), jobcmd), result = COALESCE(CAST(:result AS TEXT), result) WHERE id = :id"""

BACK = f"""UPDATE job SET previous_stage = jobstage, jobstage = {{to}}, ended_claim = claim, claim = NULL, chosen = 0,
    cancel = 0, attempt = CASE WHEN {{to}} = previous_stage AND flag < 2 THEN attempt ELSE 0 END,
    failures = {{failures}}, error = {{error}}, datecommitted = :now, renewed = :now,
    deadline = :now + {_LIFETIME_OF_TARGET}, {UNFLAG}
    WHERE {{chosen}} {_RETURNING}"""
_WHERE = "SELECT id, jobstage, claim, chosen, flag FROM job WHERE list_id = :list AND jobid = :jobid"


def end_claim(tx: Transaction, list_id: int, report: Report, require_claim: bool, now: int) -> Row | None:
    """Ends a claim as reported: (id, list id, jobid, stage before, stage after, …); None where the report doesn't
    prove itself. The stage after is the stage before if the job failed."""
    proved = BY_CLAIM if report.claim is not None else SENT_BACK if require_claim else BELIEVED
    move, fail = _ENDS[proved]
    values: dict[str, Any] = {
        "list": list_id, "jobid": report.jobid, "to": report.target, "claim": report.claim, "error": report.error,
        "now": now, "failure": int(report.error is not None), "filename": report.filename, "jobcmd": report.jobcmd,
        "result": report.result,
    }  # fmt: skip
    rows = tx.all(move, **values)
    if rows:
        remember(tx, rows, "done" if rows[0][3] < report.target else "back", now, report.error)
        return rows[0]
    rows = tx.all(fail, **values, reason="cancelled")
    remember(tx, rows, "failed", now, report.error)
    return rows[0] if rows else None


def end_done(tx: Transaction, list_id: int, target: int, reports: Sequence[Report], now: int) -> list[Row]:
    """Ends many claims whose jobs are done, and go to `target`, at once. Of the reports, which all name a claim and no
    error, those that prove themselves: rows as of end_claim(); the others change nothing."""
    said = array((report.jobid, report.claim) for report in reports)
    nothing: dict[str, Any] = {"error": None, "failure": 0, "filename": None, "jobcmd": None, "result": None}
    sql = _DONE_POSTGRESQL if tx.postgresql else _DONE_SQLITE
    rows = tx.all(sql, list=list_id, to=target, now=now, said=said, **nothing)
    remember(tx, rows, "done", now, None)
    ids = {(row[2], row[6]): row[0] for row in rows}
    tx.many(
        _SAY,
        (
            {"id": ids.pop(proof), "filename": report.filename, "jobcmd": report.jobcmd, "result": report.result}
            for report in reports
            if (proof := (report.jobid, report.claim)) in ids
            and (report.filename is not None or report.jobcmd is not None or report.result is not None)
        ),
    )
    return rows


def where_is(tx: Transaction, list_id: int, jobid: int) -> Row | None:
    """(row id, stage, claim, whether its worker chose it, flag) of a job."""
    rows = tx.all(_WHERE, list=list_id, jobid=jobid)
    return rows[0] if rows else None
