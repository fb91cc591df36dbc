"""Queries on the rules of stages, on the results of hosts in stages with replication, and on the hosts' records."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jobserver.core.claims import Report
from jobserver.core.lifetimes import DEFAULT_MAX_ATTEMPTS
from jobserver.core.rules import Replica, Rules, decode, encode
from jobserver.core.states import Condition, EventKind, Hold, Move, Outcome
from jobserver.store.queries.completing import RETURNING, failing, moving
from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import Transaction, array

_RULES = "SELECT rules FROM lifetime WHERE list_id = :list AND stage = :stage AND rules IS NOT NULL"
_JUDGED_BY = """SELECT rules, max_attempts FROM lifetime
    WHERE list_id = :list AND stage = :stage AND rules IS NOT NULL{wait_locked}"""
_ALL_RULES = "SELECT stage, rules FROM lifetime WHERE list_id = :list AND rules IS NOT NULL ORDER BY stage"
_STORE_RULES = f"""INSERT INTO lifetime (list_id, stage, lifetime_ms, max_attempts, rules)
    VALUES (:list, :stage, 0, {DEFAULT_MAX_ATTEMPTS}, :rules)
    ON CONFLICT (list_id, stage) DO UPDATE SET rules = excluded.rules"""
_END_REPLICATION = f"""UPDATE job SET hold = '{Hold.NONE.value}' WHERE list_id = :list
    AND hold = '{Hold.REPLICATION.value}' AND EXISTS (SELECT 1 FROM replica WHERE job_id = job.id AND stage = :stage)"""
_HELD = """SELECT id, previous_stage, claim, client_token, outcome, worker, claimed FROM job
    WHERE list_id = :list AND jobid = :jobid AND jobstage = :stage{wait_locked}"""
_OF_JOB = "SELECT id, host, same_as FROM replica WHERE job_id = :job AND stage = :stage ORDER BY id"
_STORE = """INSERT INTO replica
    (job_id, stage, host, worker, claim, same_as, at, filename, outputs, jobcmd, result)
    VALUES (:job, :stage, :host, :worker, :claim, :same_as, :now, :filename, :outputs, :jobcmd, :result)
    ON CONFLICT (job_id, stage, host) DO UPDATE SET worker = excluded.worker, claim = excluded.claim,
    same_as = excluded.same_as, at = excluded.at, filename = excluded.filename, outputs = excluded.outputs,
    jobcmd = excluded.jobcmd, result = excluded.result"""
_RESULT = "SELECT filename, outputs, jobcmd, result FROM replica WHERE id = :number"
_CLEAR = """UPDATE replica SET filename = NULL, outputs = NULL, jobcmd = NULL, result = NULL
    WHERE job_id = :job AND stage = :stage AND same_as = :same_as"""
_FORGET = "DELETE FROM replica WHERE stage = :stage AND job_id IN ({json_ids})"
_EARLIER = """SELECT job_id, id, same_as, filename, outputs, result FROM replica
    WHERE stage = :stage AND job_id IN ({json_ids}) ORDER BY id"""
_AGREED = "SELECT agreed FROM host_record WHERE list_id = :list AND stage = :stage AND host = :host"
_COUNT_AGREED = """INSERT INTO host_record (list_id, stage, host, agreed, last_heard)
    VALUES (:list, :stage, :host, 1, :now) ON CONFLICT (list_id, stage, host)
    DO UPDATE SET agreed = host_record.agreed + 1, last_heard = excluded.last_heard"""
_COUNT_DISAGREED = """INSERT INTO host_record (list_id, stage, host, disagreed, last_heard)
    VALUES (:list, :stage, :host, 1, :now) ON CONFLICT (list_id, stage, host)
    DO UPDATE SET agreed = 0, disagreed = host_record.disagreed + 1, last_heard = excluded.last_heard"""
_SHOWN = """SELECT replica.stage, host, replica.worker, at, same_as FROM replica JOIN job ON job.id = job_id
    WHERE list_id = :list AND jobid = :jobid ORDER BY replica.stage, replica.id"""
_RECORDS = """SELECT stage, host, agreed, disagreed FROM host_record WHERE list_id = :list AND agreed + disagreed > 0
    ORDER BY disagreed DESC, stage, host LIMIT :n"""
_RETURN = f"""{
    moving(to="previous_stage", failures="failures", error="NULL", hold=f"'{Hold.REPLICATION.value}'")
} WHERE id = :id {RETURNING}"""
_FAIL = f"""{
    failing(outcome=f"'{Outcome.FAILED.value}'", condition=f"'{Condition.INVALID.value}'", failure="0", error=":error")
} WHERE id = :id {RETURNING}"""


class StageRules(NamedTuple):
    """The rules of a stage, and after how many failed attempts a job fails there (0: no limit)."""

    rules: Rules
    max_attempts: int


class Held(NamedTuple):
    """A job in a working stage. `taken_from`: the stage before its claim; `client_token`: see models.Job. `claimed`:
    the time of the claim in ms."""

    row_id: int
    taken_from: int
    claim: str | None
    client_token: int
    outcome: str
    worker: str | None
    claimed: int | None


class EarlierResult(NamedTuple):
    """The first of the agreeing results of a job, with which a worker compares its own. JSON as text."""

    number: int
    filename: str | None
    outputs: str | None
    result: str | None


class ShownReplica(NamedTuple):
    """The result of a host, for a page. Results of a stage with the same `value` (1, 2, …) agree. `at` in ms."""

    stage: int
    host: str
    worker: str | None
    at: int
    value: int


class HostTrust(NamedTuple):
    """The results of a host in a stage: those that agreed in a row, and all that disagreed."""

    stage: int
    host: str
    agreed: int
    disagreed: int


def rules(rows: Rows, list_id: int, stage: int) -> Rules:
    """Returns the rules of a stage."""
    stored = rows(_RULES, list=list_id, stage=stage)
    return decode(stored[0][0]) if stored else Rules()


def all_rules(rows: Rows, list_id: int) -> dict[int, Rules]:
    """Returns the rules of every stage that has any."""
    return {stage: decode(text) for stage, text in rows(_ALL_RULES, list=list_id)}


def judged_by(tx: Transaction, list_id: int, stage: int) -> StageRules | None:
    """Returns the rules by which reports of a stage are judged, and locks them until the transaction ends, so that
    server processes judge one after another. None without rules."""
    rows = tx.all(_JUDGED_BY, list=list_id, stage=stage)
    return StageRules(decode(rows[0][0]), rows[0][1]) if rows else None


def store_rules(tx: Transaction, list_id: int, stage: int, stage_rules: Rules) -> None:
    """Writes the rules of a stage. Without replication, jobs that wait for another host become available."""
    tx.run(_STORE_RULES, list=list_id, stage=stage, rules=encode(stage_rules))
    if stage_rules.replication is None:
        tx.run(_END_REPLICATION, list=list_id, stage=stage)


def held(tx: Transaction, list_id: int, jobid: int, stage: int) -> Held | None:
    """Returns and locks a job in that working stage; None if it is in another stage."""
    rows = tx.all(_HELD, list=list_id, jobid=jobid, stage=stage)
    return Held(*rows[0]) if rows else None


def of_job(rows: Rows, row_id: int, stage: int) -> list[Replica]:
    """Returns the results of a job in a stage, earliest first."""
    return [Replica(*row) for row in rows(_OF_JOB, job=row_id, stage=stage)]


def store(tx: Transaction, job: Held, stage: int, host: str, same_as: str, report: Report, now: int) -> None:
    """Stores the result of a host; it replaces an earlier one of the same host."""
    tx.run(
        _STORE, job=job.row_id, stage=stage, host=host, worker=job.worker, claim=job.claim or "", same_as=same_as,
        now=now, filename=report.filename, outputs=report.outputs, jobcmd=report.jobcmd, result=report.result,
    )  # fmt: skip


def with_result(tx: Transaction, report: Report, number: int) -> Report:
    """Returns the report with the stored result of that number."""
    filename, outputs, jobcmd, result = tx.all(_RESULT, number=number)[0]
    return report._replace(filename=filename, outputs=outputs, jobcmd=jobcmd, result=result)


def clear(tx: Transaction, row_id: int, stage: int, same_as: str) -> None:
    """Removes the values of accepted results: the job has them."""
    tx.run(_CLEAR, job=row_id, stage=stage, same_as=same_as)


def forget(tx: Transaction, row_ids: Iterable[int], stage: int) -> None:
    """Deletes the results of an earlier run of these jobs."""
    tx.run(_FORGET, stage=stage, ids=array(row_ids))


def earlier(tx: Transaction, row_ids: Sequence[int], stage: int) -> dict[int, list[EarlierResult]]:
    """Returns the first result of each group of agreeing results, by job."""
    groups: dict[int, dict[str, EarlierResult]] = defaultdict(dict)
    for row_id, number, same_as, *values in tx.all(_EARLIER, stage=stage, ids=array(row_ids)):
        groups[row_id].setdefault(same_as, EarlierResult(number, *values))
    return {row_id: list(several.values()) for row_id, several in groups.items()}


def shown(rows: Rows, list_id: int, jobid: int) -> list[ShownReplica]:
    """Returns the results of a job, earliest first."""
    values: dict[tuple[int, str], int] = {}
    found = []
    for stage, host, worker, at, same_as in rows(_SHOWN, list=list_id, jobid=jobid):
        known = sum(other == stage for other, _value in values)
        found.append(ShownReplica(stage, host, worker, at, values.setdefault((stage, same_as), known + 1)))
    return found


def records(rows: Rows, list_id: int, n: int) -> list[HostTrust]:
    """Returns the records of up to n hosts; those that disagreed most often first."""
    return [HostTrust(*row) for row in rows(_RECORDS, list=list_id, n=n)]


def agreed_in_a_row(rows: Rows, list_id: int, stage: int, host: str) -> int:
    """Returns how many results of a host agreed since the last that did not."""
    stored = rows(_AGREED, list=list_id, stage=stage, host=host)
    return int(stored[0][0]) if stored else 0


def count(tx: Transaction, list_id: int, stage: int, agreed: Iterable[str], disagreed: Iterable[str], now: int) -> None:
    """Counts a decision in the records of hosts."""
    values: dict[str, Any] = {"list": list_id, "stage": stage, "now": now}
    tx.many(_COUNT_AGREED, ({**values, "host": host} for host in agreed))
    tx.many(_COUNT_DISAGREED, ({**values, "host": host} for host in disagreed))


def return_for_another(tx: Transaction, row_id: int, now: int) -> Move:
    """Ends a claim: the job returns to the stage that it was taken from, for another host."""
    move = Move(*tx.all(_RETURN, id=row_id, now=now)[0])
    tx.record_moves(EventKind.INCONCLUSIVE, [move], now)
    return move


def fail_invalid(tx: Transaction, row_id: int, error: str, now: int) -> Move:
    """Ends a claim: the job has failed, because its results do not agree."""
    move = Move(*tx.all(_FAIL, id=row_id, error=error, now=now)[0])
    tx.record_moves(EventKind.FAILED, [move], now, error=error)
    return move
