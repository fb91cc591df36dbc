"""Sets hosts aside in stages whose rules ask for it: before a claim, and before and after a report.

Workers without a name have no host, and are never set aside.
"""

from collections import defaultdict
from enum import Enum
from typing import NamedTuple

from jobserver.core.claims import ClaimRequest, Report
from jobserver.core.host_health import (
    Admission,
    HostHealth,
    Others,
    Verdict,
    admission,
    after_bad_canary,
    after_failure,
    after_success,
    blamed_jobs,
    is_fast,
    is_suspicious,
    judge,
    readmitted,
    usual_ms,
)
from jobserver.core.lists import JobList
from jobserver.core.rules import host_of
from jobserver.core.states import Condition, Event, EventKind, Move
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import host_records, lists, replicas
from jobserver.store.transaction import Transaction


class Result(Enum):
    """How an attempt ended, as far as it concerns its host."""

    DONE = "done"  # with a result
    FAILED = "failed"
    RETURNED = "returned"  # it says nothing about the host


class Attempt(NamedTuple):
    """An attempt of a job in a working stage that has ended. `claimed`: the time of its claim in ms."""

    row_id: int
    jobid: int
    stage: int
    worker: str | None
    claim: str | None
    claimed: int | None
    result: Result


def admit(tx: Transaction, list_id: int, request: ClaimRequest, now: int) -> Admission:
    """Decides what the host of a claim request gets now."""
    host, stage = host_of(request.worker), request.working_stage
    if host is None or host_records.health(tx.all, list_id, stage, host).set_aside is None:
        return Admission.JOBS
    record = host_records.locked_health(tx, list_id, stage, host)
    if record.canary is not None and not host_records.claim_holds(tx, list_id, record.canary):
        record = after_bad_canary(record, now)  # its worker disappeared, or a person ended its claim
        host_records.store(tx, list_id, stage, record, now)
    return admission(record, now)


def begin_canary(tx: Transaction, list_id: int, request: ClaimRequest, claim: str, now: int) -> None:
    """Records that a host that is set aside claimed its canary."""
    host, stage = host_of(request.worker), request.working_stage
    assert host is not None  # admit() decided about it
    record = host_records.locked_health(tx, list_id, stage, host)
    host_records.store(tx, list_id, stage, record._replace(canary=claim), now)


def without_blame(tx: Transaction, list_id: int, report: Report) -> Report:
    """Returns the report of a failed canary as that of an interrupted attempt, which costs the job nothing; the reports
    of other failures unchanged."""
    if report.token is None or not host_records.is_canary(tx, list_id, report.token):
        return report
    return report._replace(condition=Condition.INTERRUPTED, retry=True)


def claim_ended(tx: Transaction, list_id: int, report: Report, move: Move, now: int) -> None:
    """Updates the record of the host whose claim ended with this report. `report`: before without_blame()."""
    result = Result.RETURNED
    if report.target > move.from_stage:
        result = Result.DONE
    elif report.is_failure and not host_records.is_cancelled(tx, move.row_id):
        result = Result.FAILED
    attempt = Attempt(move.row_id, move.jobid, move.from_stage, move.worker, move.claim, move.claimed_at, result)
    attempt_ended(tx, list_id, attempt, now)


def attempt_ended(tx: Transaction, list_id: int, attempt: Attempt, now: int) -> None:
    """Updates the record of a host after an attempt: sets it aside, keeps it, or readmits it. Does nothing in stages
    that set no hosts aside."""
    host, stage = host_of(attempt.worker), attempt.stage
    if host is None or attempt.claim is None or not replicas.rules(tx.all, list_id, stage).set_aside:
        return
    before = host_records.locked_health(tx, list_id, stage, host)
    if before.set_aside is None:
        record = _after_attempt(tx, list_id, before, attempt, now)
    elif before.canary == attempt.claim:
        record = _after_canary(tx, list_id, before, attempt, now)
    else:
        return  # claimed before the host was set aside
    if record != before:
        host_records.store(tx, list_id, stage, record, now)


def _after_attempt(tx: Transaction, list_id: int, record: HostHealth, attempt: Attempt, now: int) -> HostHealth:
    if attempt.result is Result.DONE:
        record = after_success(record, _took_ms(attempt, now), _usual_ms(tx, list_id, attempt.stage))
    elif attempt.result is Result.FAILED:
        record = after_failure(record, attempt.jobid)
    return _judge(tx, list_id, attempt.stage, record, now) if is_suspicious(record) else record


def _after_canary(tx: Transaction, list_id: int, record: HostHealth, attempt: Attempt, now: int) -> HostHealth:
    if attempt.result is Result.RETURNED:
        return record._replace(canary=None)
    fast = is_fast(_took_ms(attempt, now), _usual_ms(tx, list_id, attempt.stage))
    if attempt.result is Result.FAILED or fast:
        return after_bad_canary(record, now)
    return _readmit(tx, list_id, attempt.stage, record, None, now)


def _took_ms(attempt: Attempt, now: int) -> int:
    return max(0, now - (attempt.claimed or now))


def _usual_ms(tx: Transaction, list_id: int, stage: int) -> float | None:
    return usual_ms(host_records.durations(tx, list_id, stage))


def _readmit(tx: Transaction, list_id: int, stage: int, record: HostHealth, actor: str | None, now: int) -> HostHealth:
    """Records that a host gets jobs again; returns its new record."""
    message = f"was set aside: {record.reason}"
    tx.record(Event(list_id, EventKind.READMITTED, (), 0, stage, stage, record.host, actor, message), now)
    return readmitted(record)


def _judge(tx: Transaction, list_id: int, stage: int, record: HostHealth, now: int) -> HostHealth:
    """Decides about a suspicious host, and records the decision; returns the new record."""
    others = {other.host: other for other in host_records.in_stage(tx, list_id, stage) if other.host != record.host}
    verdict, judged = judge(record, _evidence(tx, list_id, stage, record, others, now), now)
    # A BREAKER concerns all hosts: one event in some minutes is enough.
    said = any(host.was_kept(now) for host in (record, *others.values()))
    if verdict is Verdict.SET_ASIDE or (verdict is Verdict.BREAKER and not said):
        kind = EventKind.SET_ASIDE if verdict is Verdict.SET_ASIDE else EventKind.NOT_SET_ASIDE
        tx.record(Event(list_id, kind, (), 0, stage, stage, record.host, message=judged.reason), now)
    return judged


def _evidence(
    tx: Transaction, list_id: int, stage: int, record: HostHealth, others: dict[str, HostHealth], now: int
) -> Others:
    heard = {host for name in host_records.workers_heard(tx, list_id, now) if (host := host_of(name)) is not None}
    # A host that is set aside is heard as long as it requests canaries.
    heard |= {other.host for other in others.values() if other.waits(now)}
    heard.discard(record.host)
    troubled = {host for host, other in others.items() if other.troubled}
    failed_on: dict[int, set[str]] = defaultdict(set)
    for attempt in host_records.failed_attempts(tx, list_id, stage, record.failed_jobs):
        host = host_of(attempt.worker)
        if host is not None and host != record.host:
            failed_on[attempt.jobid].add(host)
    return Others(len(heard), len(heard & troubled), blamed_jobs(failed_on, troubled))


class HostCare:
    """The operations on hosts, over one commit queue."""

    def __init__(self, commit_queue: CommitQueue, database: Database) -> None:
        self._commit_queue = commit_queue
        self._database = database

    def is_set_aside(self, job_list: JobList, request: ClaimRequest) -> bool:
        """Returns whether the host of a claim request is set aside."""
        host = host_of(request.worker)
        if host is None:
            return False
        record = host_records.health(self._database.read, job_list.id, request.working_stage, host)
        return record.set_aside is not None

    def readmit(self, job_list: JobList, stage: int, host: str, actor: str) -> bool:
        """Gives jobs to a host again that is set aside; returns whether that is a change. `actor`: the person."""

        def work(tx: Transaction) -> bool:
            lists.require_active(tx.all, job_list.id)
            record = host_records.locked_health(tx, job_list.id, stage, host)
            if record.set_aside is None:
                return False
            now = now_ms()
            host_records.store(tx, job_list.id, stage, _readmit(tx, job_list.id, stage, record, actor, now), now)
            return True

        return self._commit_queue.run(work)
