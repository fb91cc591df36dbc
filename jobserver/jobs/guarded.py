"""Claims and reports of stages with rules: the slow path, entered when the fast statements found nothing.

A report to the next stage is judged: without a pass of the stage's check it is a failed attempt; with replication it is
one result of a host, and the job advances when enough results agree.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from jobserver.core import rules as policy
from jobserver.core.claims import ClaimedJob, ClaimRequest, Completion, Report
from jobserver.core.errors import BadRequest
from jobserver.core.host_health import Admission
from jobserver.core.rules import Replica, Replication, Rules, RulesChange
from jobserver.core.states import Condition, Event, EventKind, Outcome
from jobserver.jobs import set_aside
from jobserver.jobs.set_aside import Attempt, Result
from jobserver.store.queries import claiming, replicas
from jobserver.store.queries.events import ClaimEnd
from jobserver.store.queries.replicas import EarlierResult, Held
from jobserver.store.transaction import Transaction

INVALID = "invalid: "  # the start of the message of an event and of the error of a job
NOT_PASSED = f"{INVALID}the result did not pass the check of its stage"
NO_VERDICT = f"{INVALID}the report has no verdict of the stage's check (passed: true)"
NO_NAME = "the job was claimed without a worker name, which a stage with replication needs"
CONFIRM = "the result is stored; another host must confirm it"
draw = random.random  # for spot checks


class Verdict(NamedTuple):
    """The report with which the claim ends. `reason`: why it is not the worker's report. `replaced`: it has the equal
    result of another worker."""

    report: Report
    reason: str | None = None
    replaced: bool = False


def change(tx: Transaction, list_id: int, stage: int, wanted: RulesChange, now: int) -> Rules:
    """Changes the rules of a working stage; returns them."""
    stage_rules = policy.changed(replicas.rules(tx.all, list_id, stage), wanted)
    replicas.store_rules(tx, list_id, stage, stage_rules)
    tx.record(Event(list_id, EventKind.RULES, (), 0, stage, stage, message=policy.describe(stage_rules)), now)
    return stage_rules


def claim(tx: Transaction, list_id: int, request: ClaimRequest, token: str, now: int) -> list[ClaimedJob]:
    """Claims jobs for a working stage with rules; [] without rules. BadRequest if replication needs the name of a
    worker."""
    stage_rules = replicas.rules(tx.all, list_id, request.working_stage)
    admission = set_aside.admit(tx, list_id, request, now) if stage_rules.set_aside else Admission.JOBS
    if not stage_rules or admission is Admission.NOTHING:
        return []
    if admission is Admission.CANARY:
        request = request._replace(n=1)
    claimed = _claim(tx, list_id, stage_rules, request, token, now)
    if claimed and admission is Admission.CANARY:
        set_aside.begin_canary(tx, list_id, request, token, now)
    return _with_rules(tx, stage_rules, request.working_stage, claimed)


def _claim(
    tx: Transaction, list_id: int, stage_rules: Rules, request: ClaimRequest, token: str, now: int
) -> list[ClaimedJob]:
    if stage_rules.replication is None:
        return claiming.claim_ruled(tx, list_id, request, token, now)
    host = policy.host_of(request.worker)
    if host is None:
        raise BadRequest(
            f"Stage {request.working_stage} compares the results of different hosts: send the header worker, with"
            " the host's name first, for example node3:812."
        )
    claimed = claiming.claim_for_host(tx, list_id, request, host, token, now)
    new = [job.row_id for job in claimed if job.attempt == 1]
    if new:
        replicas.forget(tx, new, request.working_stage)
    return claimed


def with_rules(tx: Transaction, list_id: int, stage: int, claimed: list[ClaimedJob]) -> list[ClaimedJob]:
    """Adds the check of the working stage, and the earlier results, to jobs that were claimed before."""
    return _with_rules(tx, replicas.rules(tx.all, list_id, stage), stage, claimed)


def _with_rules(tx: Transaction, stage_rules: Rules, stage: int, claimed: list[ClaimedJob]) -> list[ClaimedJob]:
    check, replication = stage_rules.check, stage_rules.replication
    if check is not None:
        text = msgspec.json.encode(check).decode()
        claimed = [job._replace(check=text) for job in claimed]
    if replication is not None and replication.has_command:
        earlier = replicas.earlier(tx, [job.row_id for job in claimed], stage)
        claimed = [
            job._replace(compare=_comparison(replication, earlier[job.row_id])) if job.row_id in earlier else job
            for job in claimed
        ]
    return claimed


def _comparison(replication: Replication, earlier: Sequence[EarlierResult]) -> str:
    results = [
        {
            "number": one.number,
            "filename": one.filename,
            "outputs": msgspec.Raw((one.outputs or "null").encode()),
            "result": msgspec.Raw((one.result or "null").encode()),
        }
        for one in earlier
    ]
    return msgspec.json.encode({"command": replication.compare, "results": results}).decode()


def judge(tx: Transaction, list_id: int, report: Report, require_claim: bool, now: int) -> Verdict | Completion | None:
    """Judges a report to the next stage by the rules of its stage. Returns the report with which the caller ends the
    claim, or the completion if the claim has ended here; None without rules or without the proof of a claim."""
    stage = report.target - 1
    if stage < 0 or report.cause is not None:
        return None
    judged_by = replicas.judged_by(tx, list_id, stage)
    job = None if judged_by is None else replicas.held(tx, list_id, report.jobid, stage)
    if judged_by is None or job is None or not _proves(report, job, require_claim):
        return None
    if judged_by.rules.check is not None and report.passed is not True:
        return _invalid(report, job, NO_VERDICT if report.passed is None else NOT_PASSED)
    replication = judged_by.rules.replication
    if replication is None:
        return Verdict(report)
    host = policy.host_of(job.worker)
    if host is None:
        return Verdict(Report(report.jobid, job.taken_from, report.token), NO_NAME)
    outcome = _replicate(tx, list_id, report, job, host, replication, judged_by.max_attempts, now)
    if isinstance(outcome, Completion):
        attempt = Attempt(job.row_id, report.jobid, stage, job.worker, job.claim, job.claimed, Result.DONE)
        set_aside.attempt_ended(tx, list_id, attempt, now)
    return outcome


def _proves(report: Report, job: Held, require_claim: bool) -> bool:
    if report.token is not None:
        return job.claim == report.token
    is_held = job.claim is not None and job.client_token
    return not require_claim and not is_held and job.outcome == Outcome.NONE.value


def _invalid(report: Report, job: Held, reason: str) -> Verdict:
    failed = Report(report.jobid, job.taken_from, report.token, error=reason, condition=Condition.INVALID)
    return Verdict(failed, reason)


def _replicate(
    tx: Transaction,
    list_id: int,
    report: Report,
    job: Held,
    host: str,
    replication: Replication,
    max_attempts: int,
    now: int,
) -> Verdict | Completion:
    stage = report.target - 1
    earlier = [replica for replica in replicas.of_job(tx.all, job.row_id, stage) if replica.host != host]
    same_as = _key(report, job.claim, replication, earlier)
    in_a_row = 0 if earlier else replicas.agreed_in_a_row(tx.all, list_id, stage, host)
    if not earlier and policy.is_enough(replication, in_a_row, draw()):
        replicas.count(tx, list_id, stage, [host], [], now)
        return Verdict(report)
    replicas.store(tx, job, stage, host, same_as, report, now)
    results = replicas.of_job(tx.all, job.row_id, stage)
    decision = policy.agreement(results, replication.results)
    if decision is not None:
        replicas.count(tx, list_id, stage, decision.agreed, decision.disagreed, now)
        replaced = replication.has_command  # the worker that compares must not bring in its own value
        if replaced:
            report = replicas.with_result(tx, report, decision.winner.number)
        replicas.clear(tx, job.row_id, stage, decision.winner.same_as)
        return Verdict(report, replaced=replaced)
    if max_attempts and len(results) >= max_attempts + replication.results:
        reason = INVALID + policy.evidence(results, replication.results)
        replicas.fail_invalid(tx, job.row_id, reason, now)
        return Completion(report.jobid, stage, failed=True, reason=reason)
    move = replicas.return_for_another(tx, job.row_id, now)
    return Completion(report.jobid, move.to_stage, reason=CONFIRM)


def require_key(tx: Transaction, list_id: int, report: Report, row_id: int, worker: str | None) -> None:
    """Raises the BadRequest that judge() would raise for a report of this worker, before the claim holds the job."""
    stage, host = report.target - 1, policy.host_of(worker)
    stage_rules = replicas.rules(tx.all, list_id, stage)
    is_invalid = stage_rules.check is not None and report.passed is not True
    replication = stage_rules.replication
    if replication is not None and host is not None and not is_invalid:
        earlier = [replica for replica in replicas.of_job(tx.all, row_id, stage) if replica.host != host]
        _key(report, report.token, replication, earlier)


def _key(report: Report, claim: str | None, replication: Replication, earlier: Sequence[Replica]) -> str:
    """Returns the value that is the same for agreeing results."""
    if replication.compare == "json":
        return policy.json_key(report.result, report.jobcmd)
    if replication.compare == "sha256":
        return policy.outputs_key(report.outputs)
    if report.agrees_with is None:
        return claim or f"without claim {len(earlier)}"
    for replica in earlier:
        if replica.number == report.agrees_with:
            return replica.same_as
    raise BadRequest(
        f"agrees_with {report.agrees_with} is not the number of an earlier result of job {report.jobid}; the response"
        " of the claim lists them in compare."
    )


def replay(report: Report, end: ClaimEnd) -> Completion | None:
    """Returns the outcome of a repeated report that was judged before; None if the claim ended otherwise."""
    if end.kind is EventKind.COMPLETED and end.stage == report.target and report.agrees_with is not None:
        return Completion(report.jobid, end.stage, replaced=True)
    if report.target <= end.stage:
        return None
    if end.kind is EventKind.INCONCLUSIVE:
        return Completion(report.jobid, end.stage, reason=CONFIRM)
    if end.message is not None and end.message.startswith(INVALID):
        return Completion(report.jobid, end.stage, failed=end.kind is EventKind.FAILED, reason=end.message)
    return None
