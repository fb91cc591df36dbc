"""The tables. Times are whole milliseconds since 1970, UTC; JSON is stored as the text of the request."""

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from jobserver.core.states import Condition, Hold, Outcome, Phase
from jobserver.store.extensions import db

if TYPE_CHECKING:  # db.Model is created at run time; for type checks its base class stands in
    from jobserver.store.extensions import Base as Model
else:
    Model = db.Model

RowId = BigInteger().with_variant(Integer, "sqlite")

AVAILABLE = text("jobstage % 2 = 0 AND hold = 'none'")
WORKING = text("jobstage % 2 = 1")
CLAIMED = text("claim IS NOT NULL")
CAN_EXPIRE = text("deadline IS NOT NULL AND overdue = 0 AND outcome = 'none'")
NAMED = text("name IS NOT NULL")
REPLICATING = text("hold = 'replication'")
FLAGGED = text("(overdue = 1 OR outcome <> 'none')")
CLAIM_ENDED = text("claim IS NOT NULL")


class Metadata(Model):
    """Properties of this database, such as a check value of the secret key of its hashes."""

    __tablename__ = "metadata"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class JobList(Model):
    """A job list. Only a keyed hash of its jobix is stored. `archived`: 1 if it is read-only and hidden. `deleted`: 1
    while its rows are being deleted, then 2; this row remains, without the name, so that its key is not used again."""

    __tablename__ = "job_list"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    jobix_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created: Mapped[int] = mapped_column(BigInteger)
    paused: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    archived: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    deleted: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class StageLifetime(Model):
    """The rules of one stage of a list: the longest time that jobs may stay in it, and the action when it is over; the
    pauses between attempts; `rules`: checks and replication as JSON (core/rules.py), NULL without any."""

    __tablename__ = "lifetime"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    lifetime_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    requeue: Mapped[int | None] = mapped_column(Integer)
    max_attempts: Mapped[int] = mapped_column(Integer)
    backoff_ms: Mapped[int] = mapped_column(BigInteger, server_default="0")
    retry_for_ms: Mapped[int] = mapped_column(BigInteger, server_default="0")
    rules: Mapped[str | None] = mapped_column(Text)


class StageCount(Model):
    """The counters of a list and stage: jobs now, and timeouts so far. The transaction that moves jobs updates them."""

    __tablename__ = "stage_count"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    jobs: Mapped[int] = mapped_column(BigInteger, default=0)
    flagged: Mapped[int] = mapped_column(BigInteger, default=0)
    failed: Mapped[int] = mapped_column(BigInteger, default=0)  # or cancelled
    cancelled: Mapped[int] = mapped_column(BigInteger, server_default="0")
    expired: Mapped[int] = mapped_column(BigInteger, server_default="0")


class Job(Model):
    """One job. core/states.py explains hold, phase, outcome and condition.

    `overdue`: 1 if its lifetime in the stage has ended. `previous_…`: the values before the last change; RETURNING
    shows only new values, and the counters need the old ones. `client_token`: 1 if the worker chose the claim's token.
    `failures`: the number of timeouts and reported errors. `failing_since`: the time of the first of them. `cancel`: 1
    if its worker must stop. `name`: the user's key of the job, unique in the list. `content`: a checksum of the
    submitted jobcmd. `lease_ms`: NULL if the worker of the claim does not renew it. `deadline`: the end of the lease or
    of the lifetime, whichever is earlier. `lifetime_end`: of a claim with a lease. `outputs`: the files that the last
    completed stage declared, as JSON."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("list_id", "jobid", name="job_known"),
        Index("job_named", "list_id", "name", unique=True, sqlite_where=NAMED, postgresql_where=NAMED),
        Index(
            "job_available", "list_id", "jobstage", text("priority DESC"), "jobid",
            sqlite_where=AVAILABLE, postgresql_where=AVAILABLE,
        ),
        Index(
            "job_replicating", "list_id", "jobstage", text("priority DESC"), "jobid",
            sqlite_where=REPLICATING, postgresql_where=REPLICATING,
        ),
        Index("job_claimed", "claim", sqlite_where=CLAIMED, postgresql_where=CLAIMED),
        Index("job_deadline", "deadline", sqlite_where=CAN_EXPIRE, postgresql_where=CAN_EXPIRE),
        Index("job_working", "list_id", "jobstage", "jobid", sqlite_where=WORKING, postgresql_where=WORKING),
        Index("job_flagged", "list_id", "jobstage", "jobid", sqlite_where=FLAGGED, postgresql_where=FLAGGED),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"))
    jobid: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str | None] = mapped_column(Text)
    content: Mapped[int | None] = mapped_column(BigInteger)
    jobstage: Mapped[int] = mapped_column(Integer)
    previous_stage: Mapped[int | None] = mapped_column(Integer)
    priority: Mapped[int] = mapped_column(Integer, server_default="0")
    hold: Mapped[str] = mapped_column(String(20), server_default=Hold.NONE.value)
    phase: Mapped[str] = mapped_column(String(20), server_default=Phase.NONE.value)
    overdue: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    outcome: Mapped[str] = mapped_column(String(20), server_default=Outcome.NONE.value)
    condition: Mapped[str] = mapped_column(String(20), server_default=Condition.NONE.value)
    previous_overdue: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    previous_outcome: Mapped[str] = mapped_column(String(20), server_default=Outcome.NONE.value)
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    failing_since: Mapped[int | None] = mapped_column(BigInteger)
    cancel: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    client_token: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    claim: Mapped[str | None] = mapped_column(String(64))
    previous_claim: Mapped[str | None] = mapped_column(String(64))
    worker: Mapped[str | None] = mapped_column(Text)
    claimed: Mapped[int | None] = mapped_column(BigInteger)
    datecommitted: Mapped[int] = mapped_column(BigInteger)
    renewed: Mapped[int] = mapped_column(BigInteger)
    deadline: Mapped[int | None] = mapped_column(BigInteger)
    lease_ms: Mapped[int | None] = mapped_column(BigInteger)
    lifetime_end: Mapped[int | None] = mapped_column(BigInteger)
    outputs: Mapped[str | None] = mapped_column(Text)
    filename: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)
    jobcmd: Mapped[str] = mapped_column(Text, server_default="null")


class Event(Model):
    """A change of the state of a job or a list: the source of histories, log lines and live pages. The end of a claim
    has its token in `claim`, which identifies repeated reports. `started`: the start of the claim that ended. `actor`:
    the signed-in person. `jobs`: the number of jobs of a row without a job_id."""

    __tablename__ = "event"
    __table_args__ = (
        Index("event_claim", "claim", "job_id", sqlite_where=CLAIM_ENDED, postgresql_where=CLAIM_ENDED),
        Index("event_job", "job_id", "id"),
    )
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"))
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    kind: Mapped[str] = mapped_column(String(20))
    from_stage: Mapped[int | None] = mapped_column(Integer)
    to_stage: Mapped[int | None] = mapped_column(Integer)
    at: Mapped[int] = mapped_column(BigInteger)
    started: Mapped[int | None] = mapped_column(BigInteger)
    claim: Mapped[str | None] = mapped_column(String(64))
    worker: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(Text)
    jobs: Mapped[int] = mapped_column(BigInteger)
    message: Mapped[str | None] = mapped_column(Text)


class LateResult(Model):
    """A result whose claim was lost, and whose job another worker had claimed by then. It is kept for comparison.
    `stage`: the working stage of the claim. A claim of several jobs may have one token."""

    __tablename__ = "late_result"
    __table_args__ = (UniqueConstraint("job_id", "claim", name="late_result_of_claim"),)
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    claim: Mapped[str] = mapped_column(String(64))
    stage: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str | None] = mapped_column(Text)
    at: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str | None] = mapped_column(Text)
    outputs: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)


class Replica(Model):
    """The result of one host for a job in the working stage `stage`, which has replication. `same_as`: results with the
    same value agree. The columns of the result are NULL after it was accepted: the job has them."""

    __tablename__ = "replica"
    __table_args__ = (UniqueConstraint("job_id", "stage", "host", name="replica_of_host"),)
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    stage: Mapped[int] = mapped_column(Integer)
    host: Mapped[str] = mapped_column(Text)
    worker: Mapped[str | None] = mapped_column(Text)
    claim: Mapped[str] = mapped_column(String(64))
    same_as: Mapped[str] = mapped_column(String(64))
    at: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str | None] = mapped_column(Text)
    outputs: Mapped[str | None] = mapped_column(Text)
    jobcmd: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)


class HostRecord(Model):
    """What the server knows of a host in a stage with replication, or in one that sets hosts aside. `agreed`: results
    in a row; `disagreed`: results in total. `failed_jobs`: the ids of the jobs that failed in a row, as JSON. `fast`:
    fast results in a row. `set_aside`: the time in ms, NULL if it gets jobs; see core/host_health.py."""

    __tablename__ = "host_record"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(Text, primary_key=True)
    agreed: Mapped[int] = mapped_column(Integer, server_default="0")
    disagreed: Mapped[int] = mapped_column(Integer, server_default="0")
    failed_jobs: Mapped[str] = mapped_column(Text, server_default="[]")
    fast: Mapped[int] = mapped_column(Integer, server_default="0")
    last_heard: Mapped[int] = mapped_column(BigInteger)
    set_aside: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(Text)
    canary_at: Mapped[int] = mapped_column(BigInteger, server_default="0")
    canary: Mapped[str | None] = mapped_column(String(64))
    canaries: Mapped[int] = mapped_column(Integer, server_default="0")
    kept: Mapped[int | None] = mapped_column(BigInteger)


class Throughput(Model):
    """Jobs that completed a working stage in a slot of time, and the sum of their durations. Old slots are merged into
    longer ones."""

    __tablename__ = "throughput"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    span_s: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    jobs: Mapped[int] = mapped_column(BigInteger)
    busy_ms: Mapped[int] = mapped_column(BigInteger)


class Duration(Model):
    """The durations of jobs in a working stage: the number of jobs in each bucket of lifetimes.py."""

    __tablename__ = "duration"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    jobs: Mapped[int] = mapped_column(BigInteger)


class Worker(Model):
    """A worker by its name: the times of its first and last claim or report, and its counters."""

    __tablename__ = "worker"
    __table_args__ = (Index("worker_heard", "list_id", "last_heard", "name"),)
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    first_heard: Mapped[int] = mapped_column(BigInteger)
    last_heard: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(BigInteger)


class PageSession(Model):
    """The right of one browser session to change one list. The browser has the session's id; the database stores only a
    hash."""

    __tablename__ = "page_session"
    __table_args__ = (Index("page_session_expires", "expires"),)
    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    person: Mapped[str] = mapped_column(Text)
    expires: Mapped[int] = mapped_column(BigInteger)
