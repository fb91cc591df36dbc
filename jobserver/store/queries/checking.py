"""Queries that find inconsistencies: wrong counters, orphaned rows, broken indexes."""

from enum import Enum
from typing import NamedTuple

from jobserver.core.lists import Count
from jobserver.core.states import Condition, EventKind, Hold, Outcome, Phase
from jobserver.store.connection import Connection
from jobserver.store.queries.lists import Rows


def _unknown(table: str, column: str, values: type[Enum]) -> str:
    listed = ", ".join(f"'{value.value}'" for value in values)
    return f"SELECT COUNT(*) FROM {table} WHERE {column} NOT IN ({listed})"


# A CHECK constraint would cost each claim and report a fifth more.
_CONTRADICTIONS = {
    "jobs with an unknown hold": _unknown("job", "hold", Hold),
    "jobs with an unknown phase": _unknown("job", "phase", Phase),
    "jobs with an unknown outcome": _unknown("job", "outcome", Outcome),
    "jobs with an unknown condition": _unknown("job", "condition", Condition),
    "events of an unknown kind": _unknown("event", "kind", EventKind),
    "jobs of no list": "SELECT COUNT(*) FROM job WHERE list_id NOT IN (SELECT id FROM job_list)",
    "events of no job": "SELECT COUNT(*) FROM event WHERE job_id IS NOT NULL AND job_id NOT IN (SELECT id FROM job)",
    "jobs in a working stage that wait for another host": (
        "SELECT COUNT(*) FROM job WHERE jobstage % 2 = 1 AND hold = 'replication'"
    ),
    "results of no job": "SELECT COUNT(*) FROM replica WHERE job_id NOT IN (SELECT id FROM job)",
    "late results of no job": "SELECT COUNT(*) FROM late_result WHERE job_id NOT IN (SELECT id FROM job)",
    "lifetimes of no list": "SELECT COUNT(*) FROM lifetime WHERE list_id NOT IN (SELECT id FROM job_list)",
    "counters of no list": "SELECT COUNT(*) FROM stage_count WHERE list_id NOT IN (SELECT id FROM job_list)",
    "claims on jobs in an even stage": "SELECT COUNT(*) FROM job WHERE jobstage % 2 = 0 AND claim IS NOT NULL",
    "failed jobs that are held": "SELECT COUNT(*) FROM job WHERE outcome <> 'none' AND claim IS NOT NULL",
    "failed jobs in an even stage": "SELECT COUNT(*) FROM job WHERE outcome <> 'none' AND jobstage % 2 = 0",
    "failed jobs that are overdue": "SELECT COUNT(*) FROM job WHERE outcome <> 'none' AND overdue = 1",
    "failed jobs without a condition": """SELECT COUNT(*) FROM job
        WHERE (outcome <> 'none') <> (condition NOT IN ('none', 'skipped'))""",
    "skipped jobs in an odd stage": "SELECT COUNT(*) FROM job WHERE condition = 'skipped' AND jobstage % 2 = 1",
    "skipped jobs that can be claimed": "SELECT COUNT(*) FROM job WHERE condition = 'skipped' AND hold = 'none'",
}
# While a deleted list is purged, its counters remain.
_KEPT = "list_id NOT IN (SELECT id FROM job_list WHERE deleted > 0)"
_RECOUNT = f"""SELECT list_id, jobstage, COUNT(*),
    SUM(CASE WHEN overdue = 1 OR outcome <> 'none' THEN 1 ELSE 0 END),
    SUM(CASE WHEN outcome <> 'none' THEN 1 ELSE 0 END), SUM(CASE WHEN outcome = 'cancelled' THEN 1 ELSE 0 END)
    FROM job WHERE {_KEPT} GROUP BY list_id, jobstage"""
_ALL_COUNTS = f"SELECT list_id, stage, jobs, flagged, failed, cancelled FROM stage_count WHERE {_KEPT}"
INDEXES = {
    "job_available", "job_claimed", "job_named", "job_replicating",
    "job_deadline", "job_flagged", "job_working", "event_claim", "event_job",
    "page_session_expires",
    "worker_heard",
}  # fmt: skip


class WrongCount(NamedTuple):
    """A counter that differs from a recount of the jobs. `stored`: the counter; `counted`: the recount."""

    list_id: int
    stage: int
    stored: Count
    counted: Count


def problems(connection: Connection) -> list[str]:
    """Returns the inconsistencies, one line each. Reads every job."""
    lines = [
        f"counter of list {wrong.list_id}, stage {wrong.stage}: {wrong.stored.jobs} jobs,"
        f" {wrong.stored.flagged} flagged, {wrong.stored.failed} failed, {wrong.stored.cancelled} cancelled;"
        f" counted: {wrong.counted.jobs}, {wrong.counted.flagged}, {wrong.counted.failed}, {wrong.counted.cancelled}"
        for wrong in _wrong_counts(connection.all)
    ]
    for description, sql in _CONTRADICTIONS.items():
        number = connection.all(sql)[0][0]
        if number:
            lines.append(f"{number} {description}")
    missing = connection.dialect.missing_indexes(connection, INDEXES)
    lines += [f"index {name} is missing or broken" for name in missing]
    return lines + [f"file: {line}" for line in connection.dialect.file_problems(connection)]


def _wrong_counts(rows: Rows) -> list[WrongCount]:
    """Returns the counters that differ from a recount of the jobs."""
    counted = {(row[0], row[1]): Count(*row[2:]) for row in rows(_RECOUNT)}
    stored = {(row[0], row[1]): Count(*row[2:]) for row in rows(_ALL_COUNTS)}
    nothing = Count(0, 0, 0, 0)
    pairs = ((key, stored.get(key, nothing), counted.get(key, nothing)) for key in sorted(counted | stored))
    return [WrongCount(*key, counter, recount) for key, counter, recount in pairs if counter != recount]
