"""Queries that find what should not be: counters that are off, rows without their parents, broken indexes."""

from jobserver.store.connection import Connection
from jobserver.store.queries import lists

_ORPHANS = {
    "jobs of no list": "SELECT COUNT(*) FROM job WHERE list_id NOT IN (SELECT id FROM job_list)",
    "history of no job": "SELECT COUNT(*) FROM history WHERE job_id NOT IN (SELECT id FROM job)",
    "lifetimes of no list": "SELECT COUNT(*) FROM lifetime WHERE list_id NOT IN (SELECT id FROM job_list)",
    "counters of no list": "SELECT COUNT(*) FROM stage_count WHERE list_id NOT IN (SELECT id FROM job_list)",
    "claims on jobs in an even stage": "SELECT COUNT(*) FROM job WHERE jobstage % 2 = 0 AND claim IS NOT NULL",
    "failed jobs that are held": "SELECT COUNT(*) FROM job WHERE flag > 1 AND claim IS NOT NULL",
}
INDEXES = {
    "job_available", "job_claimed", "job_deadline", "job_flagged", "job_working", "history_claim",
    "history_ended", "history_job", "worker_heard",
}  # fmt: skip
_CONSTRAINTS = {"job_known"}  # SQLite has no name for it, and can't drop it
_INDEXES_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'index'"
_INDEXES_POSTGRESQL = """SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indisvalid AND i.indisready"""


def problems(connection: Connection) -> list[str]:
    """What is wrong, a line each; [] where all is well. Reads every job."""
    found = [
        f"counter of list {list_id}, stage {stage}: {kept.jobs} jobs, {kept.flagged} flagged, {kept.failed} failed;"
        f" counted: {counted.jobs}, {counted.flagged}, {counted.failed}"
        for list_id, stage, kept, counted in lists.wrong_counts(connection.all)
    ]
    for what, sql in _ORPHANS.items():
        number = connection.all(sql)[0][0]
        if number:
            found.append(f"{number} {what}")
    rows = connection.all(_INDEXES_POSTGRESQL if connection.postgresql else _INDEXES_SQLITE)
    present = {name for (name,) in rows}
    wanted = INDEXES | _CONSTRAINTS if connection.postgresql else INDEXES
    found += [f"index {name} is missing or broken" for name in sorted(wanted - present)]
    if not connection.postgresql:
        found += [f"file: {line}" for (line,) in connection.all("PRAGMA integrity_check") if line != "ok"]
    return found
