"""Rules on what was acknowledged: it is in the database, and stays so; and nothing is there that nobody asked for."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.history.final import Ended, Final
from tests.faults.history.paths import named
from tests.faults.history.story import ACCEPTED, REPORTED, Story, Submission


def ends(final: Final) -> dict[tuple[int, str], Ended]:
    """How each claim ended."""
    return {(one.job, one.claim): one for one in final.ended}


def what_was_submitted_is_there(story: Story, final: Final) -> Iterator[str]:
    """Every acknowledged job exists, and no other than those that somebody sent."""
    sent: set[int] = set()
    for one in story.submissions:
        sent |= one.jobs.keys()
        if one.status == ACCEPTED:
            for jobid in sorted(one.jobs.keys() - final.jobs.keys()):
                yield f"job {jobid} is lost: {one.who} was told at {story.clock(one.told_at)} that it was taken"
    for jobid in sorted(final.jobs.keys() - sent):
        yield f"job {jobid} was submitted by nobody"


def what_was_granted_is_there(story: Story, final: Final) -> Iterator[str]:
    """Every acknowledged claim is in the history (or holds its job): of that worker, stage and attempt."""
    known = ends(final)
    attempts = {(one.job, one.claim): number for path in final.paths.values() for one, number in _attempts(path)}
    for grant in story.grants:
        what = f"job {grant.job}: claim {grant.claim}, granted to {grant.who} at {story.clock(grant.told_at)},"
        one, job = known.get((grant.job, grant.claim)), final.jobs.get(grant.job)
        if one is None:
            if job is None or job.claim != grant.claim:
                yield f"{what} has vanished without an end"
            continue
        if one.worker != grant.who or one.stage != grant.stage + 1:
            yield f"{what} from stage {grant.stage}, ended as another's: {named(one)}"
        if attempts[grant.job, grant.claim] != grant.attempt:
            yield f"{what} was told attempt {grant.attempt}; it was number {attempts[grant.job, grant.claim]}"


def _attempts(path: list[Ended]) -> Iterator[tuple[Ended, int]]:
    """Each claim, and which attempt at its stage it was since the job came there."""
    number, before = 0, None
    for one in path:
        again = before is not None and before.stage == one.stage and before.to == one.stage - 1
        number = number + 1 if again else 1
        before = one
        yield one, number


def what_was_accepted_is_there(story: Story, final: Final) -> Iterator[str]:
    """Every acknowledged report ended the claim that it proves, as it said; a founding one ended some claim."""
    known, believed = ends(final), Counter[tuple[int, int]]()
    for end in story.ends:
        if not end.accepted:
            continue
        what = f"job {end.job}: {end.who} was told at {story.clock(end.told_at)} that its report to stage {end.to}"
        if end.claim is None:
            believed[end.job, end.to] += 1
            continue
        one = known.get((end.job, end.claim))
        if one is None:
            yield f"{what} with claim {end.claim} was taken; the history has no end of that claim"
        elif one.to != end.to or one.kind not in REPORTED:
            yield f"{what} was taken, though its claim was lost: {named(one)}"
    moves = Counter((one.job, one.to) for one in final.ended if one.kind in REPORTED)
    for (job, to), times in believed.items():
        if times > moves[job, to]:
            yield f"job {job}: {times} reports to stage {to} without a claim were taken, {moves[job, to]} are there"


def nothing_moved_that_nobody_asked_for(story: Story, final: Final) -> Iterator[str]:
    """A claim that ended as reported was reported so."""
    for one in final.ended:
        if one.kind in REPORTED and not story.causes(one):
            yield f"job {one.job}: nobody asked for this end: {named(one)}"


def what_was_refused_is_not_there(story: Story, final: Final) -> Iterator[str]:
    """What was told as not done is not there: jobs, ends of claims, and claims under tokens that workers chose."""
    if not story.once:
        return
    sent: dict[int, list[Submission]] = defaultdict(list)
    for submission in story.submissions:
        for jobid in submission.jobs:
            sent[jobid].append(submission)
    for jobid, sends in sent.items():
        if jobid in final.jobs and all(one.refused for one in sends):
            told = story.clock(sends[0].told_at)
            yield f"job {jobid} is there, though {sends[0].who} was told at {told} that it isn't"
    for one in final.ended:
        causes = story.causes(one)
        if causes and all(end.refused for end in causes):
            told = story.clock(causes[0].told_at)
            yield f"job {one.job}: {named(one)} is there, though {causes[0].who} was told at {told} that it isn't"
        if one.claim in story.wishes and one.claim not in story.unsure and (one.job, one.claim) not in story.granted:
            yield f"job {one.job}: {named(one)} held it, though all who asked for it were told otherwise"


def no_token_holds_more_than_it_asked_for(story: Story, final: Final) -> Iterator[str]:
    """A token that its worker chose and sent again and again holds as many jobs as were asked for, not more."""
    held = Counter(one.claim for one in final.ended)
    for token, n in story.wishes.items():
        if held[token] > n:
            yield f"token {token} asked for {n} jobs, and was given {held[token]}"


def what_is_over_stays_over(story: Story, final: Final) -> Iterator[str]:
    """A claim that was told to be over, or lost, is not held later, and ends nothing later."""
    over: dict[tuple[int, str], float] = {}
    lost: dict[tuple[int, str], float] = {}

    def note(where: dict[tuple[int, str], float], job: int, claim: str | None, at: float | None) -> None:
        if claim is not None and at is not None:
            where[job, claim] = min(at, where.get((job, claim), at))

    for end in story.ends:
        if end.accepted or end.code == "claim_lost":
            note(over, end.job, end.claim, end.told_at)
        if end.code == "claim_lost":
            note(lost, end.job, end.claim, end.told_at)
    for beat in story.beats:
        if beat.state == "lost":
            note(over, beat.job, beat.claim, beat.told_at)
            note(lost, beat.job, beat.claim, beat.told_at)
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
            yield f"job {one.job}: its report was refused as lost, and is there: {named(one)}"


def _refused(story: Story) -> dict[tuple[int, str], set[int]]:
    """By job and claim: the stages to which it could not report, because it was lost."""
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    for end in story.ends:
        if end.code == "claim_lost" and end.claim is not None:
            found[end.job, end.claim].add(end.to)
    return found
