"""Queries that archive, restore and delete lists. The rows of a deleted list are deleted in small steps."""

from collections.abc import Sequence
from typing import NamedTuple

from jobserver.core.states import EventKind
from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import Transaction, array

_ARCHIVE = "UPDATE job_list SET archived = :archived WHERE id = :list AND archived <> :archived AND deleted = 0"
_HELD = """SELECT COUNT(*) FROM job
    WHERE list_id = :list AND jobstage % 2 = 1 AND claim IS NOT NULL AND overdue = 0 AND outcome = 'none'"""
# No list can have such a name: the characters of a name are printable.
_DELETE = "UPDATE job_list SET deleted = 1, name = :name WHERE id = :list AND deleted = 0"
_END_SESSIONS = "DELETE FROM page_session WHERE list_id = :list"
_DELETED = "SELECT id FROM job_list WHERE deleted > 0"
_NEXT = "SELECT id FROM job_list WHERE deleted = 1 ORDER BY id LIMIT 1"
_JOBS = "SELECT id FROM job WHERE list_id = :list LIMIT :n{wait_locked}"
_DELETE_JOBS = tuple(
    f"DELETE FROM {table} WHERE {column} {{any_of}}{{json_ids}}{{end_any}}"
    for table, column in (("event", "job_id"), ("late_result", "job_id"), ("replica", "job_id"), ("job", "id"))
)
# The deletion stays in the history until Retention deletes it with the other old events.
_EVENTS = f"""DELETE FROM event WHERE id IN (SELECT id FROM event WHERE job_id IS NULL AND list_id = :list
    AND kind <> '{EventKind.LIST_DELETED.value}' LIMIT :n)"""


class _Table(NamedTuple):
    name: str
    key: str


_OF_LIST = (
    _Table("worker", "list_id, name"),
    _Table("throughput", "list_id, stage, span_s, start"),
    _Table("duration", "list_id, stage, bucket"),
    _Table("host_record", "list_id, stage, host"),
    _Table("lifetime", "list_id, stage"),
    _Table("stage_count", "list_id, stage"),
)
_DELETE_OF_LIST = tuple(
    f"DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} WHERE list_id = :list LIMIT :n)"
    for name, key in _OF_LIST
)
_PURGED = "UPDATE job_list SET deleted = 2 WHERE id = :list"


def held(rows: Rows, list_id: int) -> int:
    """Returns the number of jobs that workers hold in time."""
    return int(rows(_HELD, list=list_id)[0][0])


def archive(tx: Transaction, list_id: int, archived: bool) -> bool:
    """Archives or restores the list; returns whether that is a change."""
    return tx.run(_ARCHIVE, list=list_id, archived=int(archived)) == 1


def delete(tx: Transaction, list_id: int) -> None:
    """Marks the list as deleted: its key is refused, its name is free, its page sessions end."""
    tx.run(_DELETE, list=list_id, name=f"\tdeleted {list_id}")
    tx.run(_END_SESSIONS, list=list_id)


def deleted(rows: Rows) -> set[int]:
    """Returns the ids of the deleted lists."""
    return {list_id for (list_id,) in rows(_DELETED)}


def next_to_purge(rows: Rows) -> int | None:
    """Returns a deleted list that still has rows; None if there is none."""
    found = rows(_NEXT)
    return found[0][0] if found else None


def delete_jobs(tx: Transaction, row_ids: Sequence[int]) -> None:
    """Deletes jobs with everything that belongs to them."""
    ids = array(row_ids)
    for statement in _DELETE_JOBS:
        tx.run(statement, ids=ids)


def purge(tx: Transaction, list_id: int, n: int) -> None:
    """Deletes up to n jobs of a deleted list with everything that belongs to them, or else up to n other rows."""
    ids = [row_id for (row_id,) in tx.all(_JOBS, list=list_id, n=n)]
    if ids:
        delete_jobs(tx, ids)
        return
    for statement in (_EVENTS, *_DELETE_OF_LIST):
        if tx.run(statement, list=list_id, n=n):
            return
    tx.run(_PURGED, list=list_id)
