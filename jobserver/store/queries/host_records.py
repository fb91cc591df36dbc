"""Queries on the records of hosts in stages that set hosts aside."""

from typing import NamedTuple

import msgspec

from jobserver.core.host_health import HEARD_WITHIN_MS, HostHealth
from jobserver.core.states import Condition, EventKind, Outcome
from jobserver.store.connection import Row
from jobserver.store.queries.lists import Rows
from jobserver.store.transaction import Transaction, array

_COLUMNS = "host, failed_jobs, fast, set_aside, reason, canary_at, canary, canaries, kept"
_IN_STAGE = f"SELECT {_COLUMNS} FROM host_record WHERE list_id = :list AND stage = :stage"
_OF_HOST = f"{_IN_STAGE} AND host = :host"
_LOCKED = f"{_OF_HOST}{{wait_locked}}"
_IS_CANARY = "SELECT 1 FROM host_record WHERE list_id = :list AND canary = :claim"
_STORE = f"""INSERT INTO host_record (list_id, stage, last_heard, {_COLUMNS})
    VALUES (:list, :stage, :now, :host, :failed_jobs, :fast, :set_aside, :reason, :canary_at, :canary, :canaries,
    :kept)
    ON CONFLICT (list_id, stage, host) DO UPDATE SET last_heard = excluded.last_heard,
    failed_jobs = excluded.failed_jobs, fast = excluded.fast, set_aside = excluded.set_aside, reason = excluded.reason,
    canary_at = excluded.canary_at, canary = excluded.canary, canaries = excluded.canaries,
    kept = excluded.kept"""
_HEARD = "SELECT name FROM worker WHERE list_id = :list AND last_heard >= :since"
_CLAIM_HOLDS = "SELECT 1 FROM job WHERE claim = :claim AND list_id + 0 = :list"  # + 0: not the list's index
_ENDS_ATTEMPT = tuple(
    kind.value for kind in (EventKind.RELEASED, EventKind.REQUEUED, EventKind.FAILED, EventKind.EXPIRED)
)
_DURATIONS = "SELECT bucket, jobs FROM duration WHERE list_id = :list AND stage = :stage"
# The end of an attempt has a message if the attempt failed.
_FAILED_ON = f"""SELECT DISTINCT jobid, event.worker FROM event JOIN job ON job.id = event.job_id
    WHERE job.list_id = :list AND jobid IN ({{json_ids}}) AND event.from_stage = :stage AND event.claim IS NOT NULL
    AND event.message IS NOT NULL AND event.message <> '{Condition.INTERRUPTED.value}'
    AND event.kind IN {_ENDS_ATTEMPT}"""
_CANCELLED = f"SELECT 1 FROM job WHERE id = :id AND outcome = '{Outcome.CANCELLED.value}'"
_SET_ASIDE = """SELECT stage, host, set_aside, reason, canary_at, canaries FROM host_record
    WHERE list_id = :list AND reason IS NOT NULL ORDER BY set_aside IS NULL, stage, host LIMIT :n"""


class FailedAttempt(NamedTuple):
    """A worker whose attempt of a job failed."""

    jobid: int
    worker: str | None


class SetAside(NamedTuple):
    """A host that is set aside, or that is not although it fails (`since` None). Times in ms."""

    stage: int
    host: str
    since: int | None
    reason: str
    canary_at: int
    canaries: int


def health(rows: Rows, list_id: int, stage: int, host: str) -> HostHealth:
    """Returns the record of a host in a working stage."""
    return _first(rows(_OF_HOST, list=list_id, stage=stage, host=host)) or HostHealth(host)


def locked_health(tx: Transaction, list_id: int, stage: int, host: str) -> HostHealth:
    """Returns the record of a host, and locks it against other server processes until the transaction ends."""
    return _first(tx.all(_LOCKED, list=list_id, stage=stage, host=host)) or HostHealth(host)


def is_canary(tx: Transaction, list_id: int, claim: str) -> bool:
    """Returns whether a claim is that of a canary."""
    return bool(tx.all(_IS_CANARY, list=list_id, claim=claim))


def in_stage(tx: Transaction, list_id: int, stage: int) -> list[HostHealth]:
    """Returns the records of all hosts in a working stage."""
    return [_decoded(row) for row in tx.all(_IN_STAGE, list=list_id, stage=stage)]


def store(tx: Transaction, list_id: int, stage: int, record: HostHealth, now: int) -> None:
    """Writes the record of a host."""
    values = record._asdict() | {"failed_jobs": array(record.failed_jobs)}
    tx.run(_STORE, list=list_id, stage=stage, now=now, **values)


def workers_heard(tx: Transaction, list_id: int, now: int) -> list[str]:
    """Returns the names of the workers of a list that were heard recently."""
    return [name for (name,) in tx.all(_HEARD, list=list_id, since=now - HEARD_WITHIN_MS)]


def claim_holds(tx: Transaction, list_id: int, claim: str) -> bool:
    """Returns whether a claim still holds a job."""
    return bool(tx.all(_CLAIM_HOLDS, list=list_id, claim=claim))


def durations(tx: Transaction, list_id: int, stage: int) -> dict[int, int]:
    """Returns the histogram of the durations of a working stage: jobs by bucket."""
    return {row[0]: row[1] for row in tx.all(_DURATIONS, list=list_id, stage=stage)}


def failed_attempts(tx: Transaction, list_id: int, stage: int, jobids: tuple[int, ...]) -> list[FailedAttempt]:
    """Returns the failed attempts of these jobs in a working stage, each worker of a job once."""
    return [FailedAttempt(*row) for row in tx.all(_FAILED_ON, list=list_id, stage=stage, ids=array(jobids))]


def is_cancelled(tx: Transaction, row_id: int) -> bool:
    """Returns whether a job was cancelled."""
    return bool(tx.all(_CANCELLED, id=row_id))


def set_aside(rows: Rows, list_id: int, n: int) -> list[SetAside]:
    """Returns up to n hosts of a list that are set aside, and then those that are not although they fail."""
    return [SetAside(*row) for row in rows(_SET_ASIDE, list=list_id, n=n)]


def _first(rows: list[Row]) -> HostHealth | None:
    return _decoded(rows[0]) if rows else None


def _decoded(row: Row) -> HostHealth:
    host, failed_jobs, *others = row
    return HostHealth(host, msgspec.json.decode(failed_jobs, type=tuple[int, ...]), *others)
