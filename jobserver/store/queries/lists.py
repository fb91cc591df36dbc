"""Queries on job lists: their names, their lifetimes and their counters."""

from itertools import count
from typing import Any, NamedTuple, Protocol

from jobserver.core import stages
from jobserver.core.lifetimes import Lifetime
from jobserver.core.lists import Count, JobList
from jobserver.core.states import Event, EventKind
from jobserver.store.connection import Row
from jobserver.store.transaction import Transaction


class Rows(Protocol):
    """A function that runs a SELECT: Database.read or Transaction.all."""

    def __call__(self, sql: str, **values: Any) -> list[Row]:
        """Returns the rows."""


_COLUMNS = "id, name, archived, deleted"
_BY_HASH = f"SELECT {_COLUMNS} FROM job_list WHERE jobix_hash = :hash"
_BY_NAME = f"SELECT {_COLUMNS} FROM job_list WHERE name = :name AND deleted = 0"
_BY_ID = f"SELECT {_COLUMNS} FROM job_list WHERE id = :list"
_ALL = f"SELECT {_COLUMNS} FROM job_list WHERE deleted = 0 ORDER BY id"
_CREATE = f"""INSERT INTO job_list (name, jobix_hash, created) VALUES (:name, :hash, :now)
    ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"""
_RENAME = "UPDATE job_list SET name = :name WHERE id = :list AND NOT EXISTS (SELECT 1 FROM job_list WHERE name = :name)"
_PAUSED = "SELECT paused FROM job_list WHERE id = :list"
_PAUSE = "UPDATE job_list SET paused = :paused WHERE id = :list AND paused <> :paused"
_HIGHEST = "SELECT COALESCE(MAX(id), 0) FROM job_list"
_LIFETIMES = """SELECT stage, lifetime_ms, requeue, max_attempts, backoff_ms, retry_for_ms FROM lifetime
    WHERE list_id = :list ORDER BY stage"""
_SET_LIFETIME = """INSERT INTO lifetime (list_id, stage, lifetime_ms, requeue, max_attempts, backoff_ms, retry_for_ms)
    VALUES (:list, :stage, :ms, :requeue, :max_attempts, :backoff, :retry_for) ON CONFLICT (list_id, stage) DO UPDATE
    SET lifetime_ms = excluded.lifetime_ms, requeue = excluded.requeue, max_attempts = excluded.max_attempts,
    backoff_ms = excluded.backoff_ms, retry_for_ms = excluded.retry_for_ms"""
# The lifetime of a claim with a lease begins with the claim, not with the last renewal.
_BEGIN = "CASE WHEN lease_ms IS NULL THEN renewed ELSE claimed END"
_NOT_OVERDUE = f"""UPDATE job SET overdue = 0, failures = failures - jobstage % 2
    WHERE list_id = :list AND jobstage = :stage AND overdue = 1 AND (:ms = 0 OR {_BEGIN} + :ms >= :now)
    RETURNING id, jobid"""
_END = f"CASE WHEN CAST(:ms AS BIGINT) > 0 THEN {_BEGIN} + CAST(:ms AS BIGINT) END"
_NEW_DEADLINES = f"""UPDATE job SET lifetime_end = CASE WHEN lease_ms IS NOT NULL THEN {_END} END,
    deadline = CASE WHEN {_END} IS NULL OR renewed + lease_ms < {_END} THEN renewed + lease_ms ELSE {_END} END
    WHERE list_id = :list AND jobstage = :stage AND outcome = 'none' AND hold <> 'delayed'"""
_COUNTS = "SELECT stage, jobs, flagged, failed, cancelled FROM stage_count WHERE list_id = :list ORDER BY stage"
_STOCK = """SELECT list_id, stage, jobs FROM stage_count JOIN job_list ON job_list.id = list_id
    WHERE jobs > 0 AND stage % 2 = 0 AND paused + archived + deleted = 0 AND EXISTS (SELECT 1 FROM job
        WHERE job.list_id = stage_count.list_id AND jobstage = stage AND jobstage % 2 = 0 AND hold = 'none')"""
_STOCK_OF_LIST = f"{_STOCK} AND list_id = :list"
_REPLICATING = "SELECT DISTINCT jobstage FROM job WHERE list_id = :list AND hold = 'replication'"


def by_hash(rows: Rows, jobix_hash: str) -> JobList | None:
    """Returns the list whose key has this hash."""
    return _first(rows(_BY_HASH, hash=jobix_hash))


def by_name(rows: Rows, name: str) -> JobList | None:
    """Returns the list with that public name."""
    return _first(rows(_BY_NAME, name=name))


def by_id(rows: Rows, list_id: int) -> JobList:
    """Returns the current row of a list."""
    return JobList(*rows(_BY_ID, list=list_id)[0])


def require_active(rows: Rows, list_id: int) -> None:
    """Raises ListArchived or ListDeleted unless the list may be changed."""
    by_id(rows, list_id).require_active()


def all_lists(rows: Rows) -> list[JobList]:
    """Returns every list that is not deleted, oldest first."""
    return [JobList(*row) for row in rows(_ALL)]


def create(tx: Transaction, jobix_hash: str, name: str | None, now: int) -> JobList | None:
    """Creates a list; without a name it is called list-1, list-2, …. Returns None if the name or the key is in use."""
    if name is not None:
        return _first(tx.all(_CREATE, name=name, hash=jobix_hash, now=now))
    highest = tx.all(_HIGHEST)[0][0]
    for number in count(highest + 1):  # another list may have that name
        created = _first(tx.all(_CREATE, name=f"list-{number}", hash=jobix_hash, now=now)) or by_hash(
            tx.all, jobix_hash
        )
        if created:
            return created
    raise AssertionError


def rename(tx: Transaction, list_id: int, name: str) -> bool:
    """Renames the list; returns False if another list has that name."""
    return tx.run(_RENAME, list=list_id, name=name) == 1


def is_paused(rows: Rows, list_id: int) -> bool:
    """Returns whether the list is paused."""
    return bool(rows(_PAUSED, list=list_id)[0][0])


def pause(tx: Transaction, list_id: int, paused: bool) -> bool:
    """Pauses or resumes the list; returns whether that is a change."""
    return tx.run(_PAUSE, list=list_id, paused=int(paused)) == 1


def lifetimes(rows: Rows, list_id: int) -> dict[int, Lifetime]:
    """Returns the stored lifetimes by stage."""
    return {row[0]: Lifetime(*row) for row in rows(_LIFETIMES, list=list_id)}


def store_lifetime(tx: Transaction, list_id: int, lifetime: Lifetime) -> None:
    """Writes one lifetime; the jobs in that stage keep their deadlines."""
    tx.run(
        _SET_LIFETIME, list=list_id, stage=lifetime.stage, ms=lifetime.lifetime_ms, requeue=lifetime.requeue,
        max_attempts=lifetime.max_attempts, backoff=lifetime.backoff_ms, retry_for=lifetime.retry_for_ms,
    )  # fmt: skip


def apply_lifetime(tx: Transaction, list_id: int, lifetime: Lifetime, now: int) -> None:
    """Sets new deadlines of the jobs in the stage; jobs that are no longer overdue lose the mark."""
    values = {"list": list_id, "stage": lifetime.stage, "ms": lifetime.lifetime_ms}
    renewed = tx.all(_NOT_OVERDUE, **values, now=now)
    if renewed:
        jobids = tuple(jobid for _row_id, jobid in renewed)
        tx.count(list_id, lifetime.stage, flagged=-len(renewed))
        event = Event(list_id, EventKind.RENEWED, jobids, len(renewed), lifetime.stage, lifetime.stage)
        tx.record(event, now, [row_id for row_id, _jobid in renewed])
    tx.run(_NEW_DEADLINES, **values)


def last_stage(rows: Rows, list_id: int) -> int:
    """Returns the stage in which the jobs of the list are done."""
    return stages.last_stage(list(lifetimes(rows, list_id)), list(counts(rows, list_id)))


def counts(rows: Rows, list_id: int) -> dict[int, Count]:
    """Returns the counters of every stage that has had jobs."""
    return {row[0]: Count(*row[1:]) for row in rows(_COUNTS, list=list_id)}


class Stock(NamedTuple):
    """The number of jobs that may be claimed from a stage."""

    list_id: int
    stage: int
    jobs: int


def stock(rows: Rows, list_id: int | None = None) -> list[Stock]:
    """Returns the stages from which jobs may be claimed, of one list or of all."""
    places = rows(_STOCK) if list_id is None else rows(_STOCK_OF_LIST, list=list_id)
    return [Stock(*row) for row in places]


def replicating(rows: Rows, list_id: int) -> list[int]:
    """Returns the stages with jobs whose results another host must confirm."""
    return [stage for (stage,) in rows(_REPLICATING, list=list_id)]


def _first(rows: list[Row]) -> JobList | None:
    return JobList(*rows[0]) if rows else None
