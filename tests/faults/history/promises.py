"""Rules on acknowledged changes: they are in the database permanently, and no other changes are."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.history.final import ClaimEnd, Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import ACCEPTED, Report, RequestLog, Submission


def ends_by_claim(final: Final) -> dict[tuple[int, str], ClaimEnd]:
    """The end of each claim."""
    return {(end.job, end.claim): end for end in final.claim_ends}


def acknowledged_jobs_exist(log: RequestLog, final: Final) -> Iterator[str]:
    """Every acknowledged job exists, and every job was submitted."""
    sent: set[int] = set()
    for submission in log.submissions:
        sent |= submission.jobs.keys()
        if submission.status == ACCEPTED:
            for jobid in sorted(submission.jobs.keys() - final.jobs.keys()):
                yield f"job {jobid} is lost: acknowledged to {submission.worker} at {log.clock(submission.answered_at)}"
    for jobid in sorted(final.jobs.keys() - sent):
        yield f"job {jobid} was not submitted by any worker"


def acknowledged_claims_exist(log: RequestLog, final: Final) -> Iterator[str]:
    """Every acknowledged claim is in the history or holds its job, with the right worker, stage and attempt."""
    known = ends_by_claim(final)
    attempts = {(end.job, end.claim): number for path in final.paths.values() for end, number in attempts_of(path)}
    for grant in log.grants:
        subject = f"job {grant.job}: claim {grant.claim}, granted to {grant.worker} at {log.clock(grant.answered_at)},"
        end, job = known.get((grant.job, grant.claim)), final.jobs.get(grant.job)
        if end is None:
            if job is None or job.claim != grant.claim:
                yield f"{subject} is missing, and has no end in the history"
            continue
        if end.worker != grant.worker or end.stage != grant.stage + 1:
            yield f"{subject} from stage {grant.stage}, ended under another worker: {describe(end)}"
        if attempts[grant.job, grant.claim] != grant.attempt:
            yield f"{subject} received attempt {grant.attempt}; it was number {attempts[grant.job, grant.claim]}"


def attempts_of(path: list[ClaimEnd]) -> Iterator[tuple[ClaimEnd, int]]:
    """Yields each claim and the number of its attempt since the job entered the stage."""
    number, before = 0, None
    for end in path:
        again = before is not None and before.stage == end.stage and before.to == end.stage - 1
        if not end.is_late(before):
            number = number + 1 if again else 1
        before = end
        yield end, number


def acknowledged_reports_exist(log: RequestLog, final: Final) -> Iterator[str]:
    """Every acknowledged report ended its claim as reported; one without a token ended any claim of the job."""
    known, reported = ends_by_claim(final), Counter[tuple[int, int]]()
    for report in log.reports:
        if not report.accepted:
            continue
        subject = (
            f"job {report.job}: at {log.clock(report.answered_at)} the report of {report.worker} to stage {report.to}"
        )
        if report.claim is None:
            reported[report.job, report.left_in or 0] += 1
            continue
        end = known.get((report.job, report.claim))
        if end is None:
            yield f"{subject} with claim {report.claim} was accepted; the history has no end of that claim"
        elif end.to != report.left_in or not (end.is_reported or _failed_before(report, end)):
            yield f"{subject} was accepted, though its claim was lost: {describe(end)}"
    moves = Counter((end.job, end.to) for end in final.claim_ends if end.is_reported)
    for (job, to), times in reported.items():
        if times > moves[job, to]:
            yield f"job {job}: {times} reports to stage {to} without a claim, {moves[job, to]} are in the history"


def _failed_before(report: Report, end: ClaimEnd) -> bool:
    """Whether the job had failed with the loss of the claim; the response to a report of a failure says so."""
    return end.has_failed and report.to < end.stage


def every_move_has_a_report(log: RequestLog, final: Final) -> Iterator[str]:
    """Every claim that ended by a report has that report."""
    for end in final.claim_ends:
        if end.is_reported and not log.possible_reports(end):
            yield f"job {end.job}: no report requested this end: {describe(end)}"


def refused_requests_have_no_effect(log: RequestLog, final: Final) -> Iterator[str]:
    """Refused requests changed nothing: no jobs, no ends of claims, and no claims under client tokens."""
    if not log.no_repeats:
        return
    sent: dict[int, list[Submission]] = defaultdict(list)
    for submission in log.submissions:
        for jobid in submission.jobs:
            sent[jobid].append(submission)
    for jobid, submissions in sent.items():
        if jobid in final.jobs and all(submission.refused for submission in submissions):
            refused_at = log.clock(submissions[0].answered_at)
            yield f"job {jobid} exists, though the set of {submissions[0].worker} was refused at {refused_at}"
    for end in final.claim_ends:
        reports = log.possible_reports(end)
        if reports and all(report.refused for report in reports):
            refusal = f"the report of {reports[0].worker} was refused at {log.clock(reports[0].answered_at)}"
            yield f"job {end.job}: {describe(end)}, though {refusal}"
        if (
            end.claim in log.client_tokens
            and end.claim not in log.uncertain_tokens
            and (end.job, end.claim) not in log.granted
        ):
            yield f"job {end.job}: {describe(end)} held it, though no response granted it"


def no_token_claims_more_than_requested(log: RequestLog, final: Final) -> Iterator[str]:
    """A client token claims at most the requested number of jobs, however often it is sent."""
    held = Counter(claim for _job, claim in ends_by_claim(final))
    for token, n in log.client_tokens.items():
        if held[token] > n:
            yield f"token {token} requested {n} jobs, and received {held[token]}"


def ended_claims_stay_ended(log: RequestLog, final: Final) -> Iterator[str]:
    """A claim that was reported as ended or lost is not held later, and ends nothing later."""
    end_times: dict[tuple[int, str], float] = {}
    loss_times: dict[tuple[int, str], float] = {}

    def record(times: dict[tuple[int, str], float], job: int, claim: str | None, at: float | None) -> None:
        if claim is not None and at is not None:
            times[job, claim] = min(at, times.get((job, claim), at))

    for report in log.reports:
        if report.accepted or report.code == "claim_lost":
            record(end_times, report.job, report.claim, report.answered_at)
        if report.code == "claim_lost":
            record(loss_times, report.job, report.claim, report.answered_at)
    for heartbeat in log.heartbeats:
        if heartbeat.state == "lost":
            record(end_times, heartbeat.job, heartbeat.claim, heartbeat.answered_at)
    for heartbeat in log.heartbeats:
        end_time = end_times.get((heartbeat.job, heartbeat.claim), heartbeat.at)
        if heartbeat.state in ("held", "cancel") and heartbeat.at > end_time:
            claim = f"{heartbeat.claim} of {heartbeat.worker}"
            held_at = log.clock(heartbeat.at)
            yield f"job {heartbeat.job}: {claim} was held after {held_at}, but ended at {log.clock(end_time)}"
    refused = _refused(log)
    for end in final.claim_ends:
        if not end.is_reported:
            continue
        since = loss_times.get((end.job, end.claim))
        first = min((report.at for report in log.possible_reports(end)), default=None)
        if since is not None and first is not None and first > since:
            yield f"job {end.job}: lost since {log.clock(since)}, and ended after {log.clock(first)}: {describe(end)}"
        elif end.to in refused[end.job, end.claim]:
            yield f"job {end.job}: its report was refused as lost, but took effect: {describe(end)}"


def _refused(log: RequestLog) -> dict[tuple[int, str], set[int]]:
    """By job and claim: the stages of its reports that were refused because the claim was lost."""
    refused: dict[tuple[int, str], set[int]] = defaultdict(set)
    for report in log.reports:
        if report.code == "claim_lost" and report.claim is not None:
            refused[report.job, report.claim].add(report.to)
    return refused
