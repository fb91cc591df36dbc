"""An open transaction: its statements, and its changes of counters, statistics and events."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jobserver.core import lifetimes
from jobserver.core.claims import ClaimedJob
from jobserver.core.states import Event, EventKind, Move, Outcome
from jobserver.store.connection import Connection, Row

SLOT_S = 10  # the finest slot of throughput
NOT_ENDED = Outcome.NONE.value

ADD_COUNTS = """INSERT INTO stage_count (list_id, stage, jobs, flagged, failed, cancelled, expired)
    VALUES (:list, :stage, :jobs, :flagged, :ended, :cancelled, :expired)
    ON CONFLICT (list_id, stage) DO UPDATE SET jobs = stage_count.jobs + excluded.jobs,
    flagged = stage_count.flagged + excluded.flagged, failed = stage_count.failed + excluded.failed,
    cancelled = stage_count.cancelled + excluded.cancelled, expired = stage_count.expired + excluded.expired"""
ADD_THROUGHPUT = """INSERT INTO throughput (list_id, stage, span_s, start, jobs, busy_ms)
    VALUES (:list, :stage, :span, :start, :jobs, :busy) ON CONFLICT (list_id, stage, span_s, start)
    DO UPDATE SET jobs = throughput.jobs + excluded.jobs, busy_ms = throughput.busy_ms + excluded.busy_ms"""
_ADD_DURATION = """INSERT INTO duration (list_id, stage, bucket, jobs) VALUES (:list, :stage, :bucket, :jobs)
    ON CONFLICT (list_id, stage, bucket) DO UPDATE SET jobs = duration.jobs + excluded.jobs"""
_ADD_WORKER = """INSERT INTO worker (list_id, name, first_heard, last_heard, done, failures)
    VALUES (:list, :name, :now, :now, :done, :failures) ON CONFLICT (list_id, name)
    DO UPDATE SET last_heard = excluded.last_heard, done = worker.done + excluded.done,
    failures = worker.failures + excluded.failures"""
_JOBS_IN = "SELECT jobs FROM stage_count WHERE list_id = :list AND stage = :stage"

_EVENT_COLUMNS = "(list_id, job_id, kind, from_stage, to_stage, at, started, claim, worker, actor, jobs, message)"
# From the rows after the change. Only the end of a claim has its token, which identifies repeated reports.
_MOVED = f"""INSERT INTO event {_EVENT_COLUMNS} SELECT list_id, id, :kind, previous_stage, jobstage, :now,
    CASE WHEN previous_claim IS NOT NULL THEN claimed END, previous_claim,
    CASE WHEN previous_claim IS NOT NULL THEN worker END, CAST(:actor AS TEXT), 1, CAST(:message AS TEXT)
    FROM job WHERE id """
_ONE_MOVED = f"{_MOVED} = :id"
_MANY_MOVED = f"{_MOVED} {{any_of}}{{json_ids}}{{end_any}}"
_ONE_CLAIMED = f"""INSERT INTO event {_EVENT_COLUMNS} VALUES (:list, :id, '{EventKind.CLAIMED.value}', :from_stage,
    :to_stage, :now, NULL, NULL, :worker, NULL, 1, NULL)"""
_MANY_CLAIMED = f"""INSERT INTO event {_EVENT_COLUMNS} SELECT list_id, id, '{EventKind.CLAIMED.value}', previous_stage,
    jobstage, :now, NULL, NULL, worker, NULL, 1, NULL FROM job WHERE id {{any_of}}{{json_ids}}{{end_any}}"""
_ONE_EVENT = f"""INSERT INTO event {_EVENT_COLUMNS} VALUES (:list, :id, :kind, :from_stage, :to_stage, :now, NULL, NULL,
    :worker, :actor, :jobs, :message)"""
_MANY_EVENTS = f"""INSERT INTO event {_EVENT_COLUMNS} SELECT :list, ids.value, :kind, :from_stage, :to_stage, :now,
    NULL, NULL, CAST(:worker AS TEXT), CAST(:actor AS TEXT), 1, CAST(:message AS TEXT) FROM ({{json_ids}}) AS ids"""


class NeedsAlone(Exception):
    """Raised by a work that must not share its transaction, before any change; the work is then called alone."""


class RunEachAlone(Exception):
    """A work failed after a change in a shared transaction: it is rolled back, and each work runs alone."""


def array(values: Iterable[Any]) -> str:
    """Encodes several values for one statement as JSON, which both databases can parse."""
    return msgspec.json.encode(list(values)).decode()


class Transaction:
    """The transaction of one or more works. The commit queue begins, flushes and commits it.

    `changes` counts the rows changed so far. `alone`: no other request shares this transaction, so that a statement
    may wait for locks without a deadlock. `events` are published after the commit.
    """

    def __init__(self, connection: Connection, alone: bool = False) -> None:
        self.alone = alone
        self.shares_rows = connection.dialect.blocks  # other processes write at the same time
        self.changes = 0
        self.events: list[Event] = []
        self._connection = connection
        self._driver = connection.driver
        self._statements = connection.dialect.statements
        self._counts: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
        self._slots: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
        self._buckets: dict[tuple[int, int, int], int] = defaultdict(int)
        self._workers: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])

    def all(self, sql: str, **values: Any) -> list[Row]:
        """Returns the rows of a SELECT, or of a change with RETURNING."""
        rows: list[Row] = self._execute(sql, values).fetchall()
        if rows and not sql.startswith("SELECT"):
            self.changes += len(rows)
        return rows

    def lock(self, sql: str, **values: Any) -> None:
        """Runs a SELECT for the lock that it takes."""
        self._execute(sql, values).fetchall()

    def run(self, sql: str, **values: Any) -> int:
        """Changes rows; returns their number."""
        changed: int = self._execute(sql, values).rowcount
        self.changes += changed
        return changed

    def _execute(self, sql: str, values: dict[str, Any]) -> Any:
        # Connection.execute() without the call: a claim runs four statements
        return self._driver.execute(self._statements.get(sql) or self._connection.dialect.statement(sql), values)

    def many(self, sql: str, rows: Iterable[dict[str, Any]]) -> None:
        """Runs a statement that changes one row for each of these rows."""
        self.changes += self._connection.many(sql, list(rows))

    def count(
        self, list_id: int, stage: int, jobs: int = 0, *, flagged: int = 0, outcome: str = NOT_ENDED, expired: int = 0
    ) -> None:
        """Adds to the counters of a stage. `outcome`: of these jobs. flush() writes them."""
        counts = self._counts[list_id, stage]
        counts[0] += jobs
        counts[1] += flagged
        if outcome != NOT_ENDED:
            counts[2] += jobs
            counts[3] += jobs if outcome == Outcome.CANCELLED.value else 0
        counts[4] += expired

    def jobs_in(self, list_id: int, stage: int) -> int:
        """Returns the counter of jobs in a stage, including the changes of this transaction."""
        rows = self.all(_JOBS_IN, list=list_id, stage=stage)
        pending = self._counts.get((list_id, stage), (0,))[0]
        return pending + (rows[0][0] if rows else 0)

    def finished(self, list_id: int, stage: int, ms: int, now: int, n: int = 1) -> None:
        """Counts n jobs that completed a working stage in `ms` milliseconds each."""
        slot = self._slots[list_id, stage, now // 1000 // SLOT_S * SLOT_S * 1000]
        slot[0] += n
        slot[1] += n * ms
        self._buckets[list_id, stage, lifetimes.bucket(ms)] += n

    def heard(self, list_id: int, worker: str | None, now: int, done: int = 0, failures: int = 0) -> None:
        """Records that a worker claimed, ended or lost a claim."""
        if worker is not None:
            tally = self._workers[list_id, worker]
            tally[0] = now
            tally[1] += done
            tally[2] += failures

    def record_claims(
        self,
        list_id: int,
        stage: int,
        working_stage: int,
        claimed: Mapping[str | None, Sequence[ClaimedJob]],
        flagged: int,
        now: int,
    ) -> None:
        """Records the jobs that one statement claimed, by worker: counters, events, and the time of each worker.
        `flagged`: the number of jobs that were overdue."""
        row_ids: list[int] = []
        for worker, jobs in claimed.items():
            row_ids += [job.row_id for job in jobs]
            jobids = tuple(job.jobid for job in jobs)
            self.events.append(Event(list_id, EventKind.CLAIMED, jobids, len(jobs), stage, working_stage, worker))
            self.heard(list_id, worker, now)
        if len(row_ids) > 1:
            self.run(_MANY_CLAIMED, now=now, ids=array(row_ids))
        else:
            self.run(
                _ONE_CLAIMED, list=list_id, id=row_ids[0], from_stage=stage, to_stage=working_stage, now=now,
                worker=worker,
            )  # fmt: skip
        self.count(list_id, stage, jobs=-len(row_ids), flagged=-flagged)
        self.count(list_id, working_stage, jobs=len(row_ids))

    def record(self, event: Event, now: int, row_ids: Sequence[int] = ()) -> None:
        """Writes an event: one row for each job, or one row for the list if there are no jobs."""
        values = {
            "list": event.list_id, "kind": event.kind.value, "from_stage": event.from_stage, "now": now,
            "to_stage": event.to_stage, "worker": event.worker, "actor": event.actor, "message": event.message,
        }  # fmt: skip
        if len(row_ids) > 1:
            self.run(_MANY_EVENTS, ids=array(row_ids), **values)
        else:
            self.run(_ONE_EVENT, id=row_ids[0] if row_ids else None, jobs=event.jobs, **values)
        self.events.append(event)

    def record_moves(
        self,
        kind: EventKind,
        moves: Sequence[Move],
        now: int,
        actor: str | None = None,
        message: str | None = None,
        error: str | None = None,
        interrupted: bool = False,
    ) -> None:
        """Records the jobs that one statement moved: counters, statistics, one event row for each job. `error`: the
        error that the worker reported; it is stored but not published, because it may quote the job. `interrupted`: the
        message is not that of a failure."""
        if not moves:
            return
        values = {"kind": kind.value, "now": now, "actor": actor, "message": message if error is None else error}
        if len(moves) == 1:
            self.run(_ONE_MOVED, id=moves[0].row_id, **values)
        else:
            self.run(_MANY_MOVED, ids=array(move.row_id for move in moves), **values)
        # most jobs of a batch have the same worker and time of claim
        jobids: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for move in moves:
            key = (
                move.list_id, move.from_stage, move.to_stage, move.was_flagged, move.previous_outcome, move.outcome,
                move.claim is not None, move.claimed_at, move.worker,
            )  # fmt: skip
            jobids[key].append(move.jobid)
        for key, same in jobids.items():
            list_id, old, new, was_flagged, previous_outcome, outcome, had_claim, claimed_at, worker = key
            n = len(same)
            if had_claim:
                no_failure = kind is EventKind.CANCELLED or interrupted or values["message"] is None
                failures = n if kind is EventKind.FAILED or not no_failure else 0
                completed = kind is EventKind.COMPLETED
                self.heard(list_id, worker, now, done=n if completed else 0, failures=failures)
                if completed:
                    self.finished(list_id, old, max(0, now - (claimed_at or now)), now, n)
            self.count(list_id, old, jobs=-n, flagged=-n * was_flagged, outcome=previous_outcome)
            self.count(list_id, new, jobs=n, flagged=n * (outcome != NOT_ENDED), outcome=outcome)
            by = worker if had_claim else None
            self.events.append(Event(list_id, kind, tuple(same), n, old, new, by, actor, message))

    def flush(self) -> None:
        """Writes counters and statistics, in order of their keys: two processes that lock the same rows in different
        orders would deadlock. Call it last, because all transactions write these rows."""
        for (list_id, stage, start), (jobs, busy) in sorted(self._slots.items()):
            self.run(ADD_THROUGHPUT, list=list_id, stage=stage, span=SLOT_S, start=start, jobs=jobs, busy=busy)
        for (list_id, stage, bucket), jobs in sorted(self._buckets.items()):
            self.run(_ADD_DURATION, list=list_id, stage=stage, bucket=bucket, jobs=jobs)
        for (list_id, name), (now, done, failures) in sorted(self._workers.items()):
            self.run(_ADD_WORKER, list=list_id, name=name, now=now, done=done, failures=failures)
        for (list_id, stage), (jobs, flagged, ended, cancelled, expired) in sorted(self._counts.items()):
            if jobs or flagged or ended or cancelled or expired:
                self.run(
                    ADD_COUNTS, list=list_id, stage=stage, jobs=jobs, flagged=flagged, ended=ended,
                    cancelled=cancelled, expired=expired,
                )  # fmt: skip
        self._counts.clear()
