"""Rules on acknowledged changes: they are in the database permanently, and no other changes are."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.history.final import Ended, Final
from tests.faults.history.paths import named
from tests.faults.history.story import ACCEPTED, REPORTED, Story, Submission


def ends(final: Final) -> dict[tuple[int, str], Ended]:
    """The end of each claim."""
    return {(one.job, one.claim): one for one in final.ended}


def acknowledged_jobs_exist(story: Story, final: Final) -> Iterator[str]:
    """Every acknowledged job exists, and every job was submitted."""
    sent: set[int] = set()
    for one in story.submissions:
        sent |= one.jobs.keys()
        if one.status == ACCEPTED:
            for jobid in sorted(one.jobs.keys() - final.jobs.keys()):
                yield f"job {jobid} is lost: acknowledged to {one.who} at {story.clock(one.answered_at)}"
    for jobid in sorted(final.jobs.keys() - sent):
        yield f"job {jobid} was submitted by nobody"


def acknowledged_claims_exist(story: Story, final: Final) -> Iterator[str]:
    """Every acknowledged claim is in the history or holds its job, with the right worker, stage and attempt."""
    known = ends(final)
    attempts = {(one.job, one.claim): number for path in final.paths.values() for one, number in _attempts(path)}
    for grant in story.grants:
        what = f"job {grant.job}: claim {grant.claim}, granted to {grant.who} at {story.clock(grant.answered_at)},"
        one, job = known.get((grant.job, grant.claim)), final.jobs.get(grant.job)
        if one is None:
            if job is None or job.claim != grant.claim:
                yield f"{what} has vanished without an end"
            continue
        if one.worker != grant.who or one.stage != grant.stage + 1:
            yield f"{what} from stage {grant.stage}, ended as another's: {named(one)}"
        if attempts[grant.job, grant.claim] != grant.attempt:
            yield f"{what} received attempt {grant.attempt}; it was number {attempts[grant.job, grant.claim]}"


def _attempts(path: list[Ended]) -> Iterator[tuple[Ended, int]]:
    """Yields each claim and the number of its attempt since the job entered the stage."""
    number, before = 0, None
    for one in path:
        again = before is not None and before.stage == one.stage and before.to == one.stage - 1
        number = number + 1 if again else 1
        before = one
        yield one, number


def acknowledged_reports_exist(story: Story, final: Final) -> Iterator[str]:
    """Every acknowledged report ended its claim as reported; one without a token ended any claim of the job."""
    known, believed = ends(final), Counter[tuple[int, int]]()
    for end in story.ends:
        if not end.accepted:
            continue
        what = f"job {end.job}: at {story.clock(end.answered_at)} the report of {end.who} to stage {end.to}"
        if end.claim is None:
            believed[end.job, end.to] += 1
            continue
        one = known.get((end.job, end.claim))
        if one is None:
            yield f"{what} with claim {end.claim} was accepted; the history has no end of that claim"
        elif one.to != end.to or one.kind not in REPORTED:
            yield f"{what} was accepted, though its claim was lost: {named(one)}"
    moves = Counter((one.job, one.to) for one in final.ended if one.kind in REPORTED)
    for (job, to), times in believed.items():
        if times > moves[job, to]:
            yield f"job {job}: {times} reports to stage {to} without a claim, {moves[job, to]} are in the history"


def every_move_has_a_report(story: Story, final: Final) -> Iterator[str]:
    """Every claim that ended by a report has that report."""
    for one in final.ended:
        if one.kind in REPORTED and not story.causes(one):
            yield f"job {one.job}: no report asked for this end: {named(one)}"


def refused_requests_have_no_effect(story: Story, final: Final) -> Iterator[str]:
    """Refused requests changed nothing: no jobs, no ends of claims, and no claims under client tokens."""
    if not story.once:
        return
    sent: dict[int, list[Submission]] = defaultdict(list)
    for submission in story.submissions:
        for jobid in submission.jobs:
            sent[jobid].append(submission)
    for jobid, sends in sent.items():
        if jobid in final.jobs and all(one.refused for one in sends):
            when = story.clock(sends[0].answered_at)
            yield f"job {jobid} exists, though the set of {sends[0].who} was refused at {when}"
    for one in final.ended:
        causes = story.causes(one)
        if causes and all(end.refused for end in causes):
            when = story.clock(causes[0].answered_at)
            yield f"job {one.job}: {named(one)}, though the report of {causes[0].who} was refused at {when}"
        if (
            one.claim in story.client_tokens
            and one.claim not in story.unsure
            and (one.job, one.claim) not in story.granted
        ):
            yield f"job {one.job}: {named(one)} held it, though no response granted it"


def no_token_claims_more_than_requested(story: Story, final: Final) -> Iterator[str]:
    """A client token claims at most the requested number of jobs, however often it is sent."""
    held = Counter(one.claim for one in final.ended)
    for token, n in story.client_tokens.items():
        if held[token] > n:
            yield f"token {token} requested {n} jobs, and received {held[token]}"


def ended_claims_stay_ended(story: Story, final: Final) -> Iterator[str]:
    """A claim that was reported as ended or lost is not held later, and ends nothing later."""
    over: dict[tuple[int, str], float] = {}
    lost: dict[tuple[int, str], float] = {}

    def note(where: dict[tuple[int, str], float], job: int, claim: str | None, at: float | None) -> None:
        if claim is not None and at is not None:
            where[job, claim] = min(at, where.get((job, claim), at))

    for end in story.ends:
        if end.accepted or end.code == "claim_lost":
            note(over, end.job, end.claim, end.answered_at)
        if end.code == "claim_lost":
            note(lost, end.job, end.claim, end.answered_at)
    for beat in story.beats:
        if beat.state == "lost":
            note(over, beat.job, beat.claim, beat.answered_at)
            note(lost, beat.job, beat.claim, beat.answered_at)
    for beat in story.beats:
        if beat.state in ("held", "cancel") and beat.at > over.get((beat.job, beat.claim), beat.at):
            when = story.clock(over[beat.job, beat.claim])
            yield f"job {beat.job}: {beat.claim} of {beat.who} was held after {story.clock(beat.at)}, over since {when}"
    refused = _refused(story)
    for one in final.ended:
        if one.kind not in REPORTED:
            continue
        since = lost.get((one.job, one.claim))
        first = min((end.at for end in story.causes(one)), default=None)
        if since is not None and first is not None and first > since:
            yield f"job {one.job}: lost since {story.clock(since)}, and ended after {story.clock(first)}: {named(one)}"
        elif one.to in refused[one.job, one.claim]:
            yield f"job {one.job}: its report was refused as lost, but took effect: {named(one)}"


def _refused(story: Story) -> dict[tuple[int, str], set[int]]:
    """By job and claim: the stages of its reports that were refused because the claim was lost."""
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    for end in story.ends:
        if end.code == "claim_lost" and end.claim is not None:
            found[end.job, end.claim].add(end.to)
    return found
