"""The tables. Times are whole milliseconds since 1970, UTC; JSON is kept as the text that came."""

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

if TYPE_CHECKING:  # the library makes its class as it runs; of types it has the one that it made it from
    from jobserver.store.extensions import Base as Model
else:
    Model = db.Model

RowId = BigInteger().with_variant(Integer, "sqlite")

AVAILABLE = text("jobstage % 2 = 0")
WORKING = text("jobstage % 2 = 1")
CLAIMED = text("claim IS NOT NULL")
CAN_EXPIRE = text("deadline IS NOT NULL AND overdue = 0 AND outcome = 'none'")
FLAGGED = text("(overdue = 1 OR outcome <> 'none')")
CLAIM_ENDED = text("claim IS NOT NULL")


class Metadata(Model):
    """Facts about this database, such as which secret key its hashes were made with."""

    __tablename__ = "metadata"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class JobList(Model):
    """Everything under one jobix, of which only a keyed hash is kept."""

    __tablename__ = "job_list"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    jobix_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created: Mapped[int] = mapped_column(BigInteger)
    paused: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class StageLifetime(Model):
    """How long jobs may stay in one stage of a list, and what happens to those that stay longer."""

    __tablename__ = "lifetime"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    lifetime_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    requeue: Mapped[int | None] = mapped_column(Integer)
    max_attempts: Mapped[int] = mapped_column(Integer)


class StageCount(Model):
    """How many jobs of a list are in one stage, and how many have expired there so far; written by the transaction that
    moves them."""

    __tablename__ = "stage_count"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    jobs: Mapped[int] = mapped_column(BigInteger, default=0)
    flagged: Mapped[int] = mapped_column(BigInteger, default=0)
    failed: Mapped[int] = mapped_column(BigInteger, default=0)
    expired: Mapped[int] = mapped_column(BigInteger, server_default="0")


class Job(Model):
    """One job. core/states.py explains hold, phase, outcome and condition.

    `overdue`: 1 if its lifetime in the stage is over. `previous_…`: what the last change replaced, because RETURNING
    shows only new values and the counters need the old ones. `client_token`: 1 if the worker chose the claim's token.
    `failures`: how often it expired or came back with an error. `cancel`: 1 if its worker must stop.
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("list_id", "jobid", name="job_known"),
        Index(
            "job_available", "list_id", "jobstage", text("priority DESC"), "jobid",
            sqlite_where=AVAILABLE, postgresql_where=AVAILABLE,
        ),
        Index("job_claimed", "claim", sqlite_where=CLAIMED, postgresql_where=CLAIMED),
        Index("job_deadline", "deadline", sqlite_where=CAN_EXPIRE, postgresql_where=CAN_EXPIRE),
        Index("job_working", "list_id", "jobstage", "jobid", sqlite_where=WORKING, postgresql_where=WORKING),
        Index("job_flagged", "list_id", "jobstage", "jobid", sqlite_where=FLAGGED, postgresql_where=FLAGGED),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"))
    jobid: Mapped[int] = mapped_column(BigInteger)
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
    cancel: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    client_token: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    claim: Mapped[str | None] = mapped_column(String(64))
    previous_claim: Mapped[str | None] = mapped_column(String(64))
    worker: Mapped[str | None] = mapped_column(Text)
    claimed: Mapped[int | None] = mapped_column(BigInteger)
    datecommitted: Mapped[int] = mapped_column(BigInteger)
    renewed: Mapped[int] = mapped_column(BigInteger)
    deadline: Mapped[int | None] = mapped_column(BigInteger)
    filename: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)
    jobcmd: Mapped[str] = mapped_column(Text, server_default="null")


class Event(Model):
    """One change of a job's or a list's state: the source of the job page's history, of the log line and of the live
    page. The end of a claim has its token in `claim`: by it a repeated report is known. `started`: when the claim that
    ended began. `actor`: the person who did it. `jobs`: how many jobs a row without a job_id is about."""

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


class Throughput(Model):
    """How many jobs went through a working stage in a slot of time, and how long that took in all. Slots that are some
    hours old are folded into longer ones."""

    __tablename__ = "throughput"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    span_s: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    jobs: Mapped[int] = mapped_column(BigInteger)
    busy_ms: Mapped[int] = mapped_column(BigInteger)


class Duration(Model):
    """How long jobs took in a working stage: how many of them in each bucket of durations.py."""

    __tablename__ = "duration"
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    jobs: Mapped[int] = mapped_column(BigInteger)


class Worker(Model):
    """A worker, by the name it gave: when it was heard (a claim, or the end of one), what it did."""

    __tablename__ = "worker"
    __table_args__ = (Index("worker_heard", "list_id", "last_heard", "name"),)
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    first_heard: Mapped[int] = mapped_column(BigInteger)
    last_heard: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(BigInteger)


class PageSession(Model):
    """The right of one browser session to change one list. The browser has the session's id; only a hash is kept."""

    __tablename__ = "page_session"
    __table_args__ = (Index("page_session_expires", "expires"),)
    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("job_list.id"), primary_key=True)
    person: Mapped[str] = mapped_column(Text)
    expires: Mapped[int] = mapped_column(BigInteger)
