"""Queries that find inconsistencies: wrong counters, orphaned rows, broken indexes."""

from enum import Enum

from jobserver.core.states import Condition, EventKind, Hold, Outcome, Phase
from jobserver.store.connection import Connection
from jobserver.store.queries import lists


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
    "lifetimes of no list": "SELECT COUNT(*) FROM lifetime WHERE list_id NOT IN (SELECT id FROM job_list)",
    "counters of no list": "SELECT COUNT(*) FROM stage_count WHERE list_id NOT IN (SELECT id FROM job_list)",
    "claims on jobs in an even stage": "SELECT COUNT(*) FROM job WHERE jobstage % 2 = 0 AND claim IS NOT NULL",
    "failed jobs that are held": "SELECT COUNT(*) FROM job WHERE outcome <> 'none' AND claim IS NOT NULL",
    "failed jobs in an even stage": "SELECT COUNT(*) FROM job WHERE outcome <> 'none' AND jobstage % 2 = 0",
    "failed jobs that are overdue": "SELECT COUNT(*) FROM job WHERE outcome <> 'none' AND overdue = 1",
    "failed jobs without a condition": "SELECT COUNT(*) FROM job WHERE (outcome <> 'none') <> (condition <> 'none')",
}
INDEXES = {
    "job_available", "job_claimed", "job_deadline", "job_flagged", "job_working", "event_claim", "event_job",
    "page_session_expires",
    "worker_heard",
}  # fmt: skip


def problems(connection: Connection) -> list[str]:
    """Returns the inconsistencies, one line each. Reads every job."""
    lines = [
        f"counter of list {wrong.list_id}, stage {wrong.stage}: {wrong.stored.jobs} jobs,"
        f" {wrong.stored.flagged} flagged, {wrong.stored.failed} failed; counted: {wrong.counted.jobs},"
        f" {wrong.counted.flagged}, {wrong.counted.failed}"
        for wrong in lists.wrong_counts(connection.all)
    ]
    for description, sql in _CONTRADICTIONS.items():
        number = connection.all(sql)[0][0]
        if number:
            lines.append(f"{number} {description}")
    missing = connection.dialect.missing_indexes(connection, INDEXES)
    lines += [f"index {name} is missing or broken" for name in missing]
    return lines + [f"file: {line}" for line in connection.dialect.file_problems(connection)]
