"""Rules on time: a claim is held from its grant to its end, and no other claim is granted in between.

The database's history gives the order of each job's claims. That order must agree with the observations of the
workers, as for any linearizable register: the response with a later claim must not arrive before the earlier claim can
have ended. The earliest possible end of a claim is the latest of: the request for the claim, a heartbeat that found it
held, and, if its worker ended it, the request that ended it.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.history.final import Ended, Final
from tests.faults.history.paths import named
from tests.faults.history.story import REPORTED, Beat, Story


def no_two_claims_overlap(story: Story, final: Final) -> Iterator[str]:
    """No worker received a claim before the previous claim of the job can have ended."""
    beats = _held(story)

    def earliest_end(one: Ended) -> float:
        """The earliest time at which the claim can have ended."""
        known = [grant.at for grant in story.granted.get((one.job, one.claim), [])][:1]
        known += [beat.at for beat in beats.get((one.job, one.claim), [])]
        if one.kind in REPORTED:
            known.append(min((end.at for end in story.causes(one)), default=story.begun))
        return max(known, default=story.begun)

    for job, path in final.paths.items():
        before, held_until = None, story.begun
        for one in path:
            granted = [
                grant.answered_at for grant in story.granted.get((job, one.claim), []) if grant.answered_at is not None
            ]
            if before is not None and granted and min(granted) < held_until:
                yield (
                    f"job {job}: two claims overlap: {named(before)} was held until {story.clock(held_until)} at least;"
                    f" {named(one)} had been granted at {story.clock(min(granted))}"
                )
            if (end := earliest_end(one)) > held_until:
                before, held_until = one, end


def nothing_expires_before_its_deadline(story: Story, final: Final) -> Iterator[str]:
    """A claim is lost only after the deadline that its worker received. Both are times of the servers' clocks.

    With heartbeats the last deadline counts. It is known only if all came from one server with an unmoved clock.
    Otherwise the earliest counts, if all heartbeats got a response.
    """
    beats: dict[tuple[int, str], list[Beat]] = defaultdict(list)
    for beat in story.beats:
        beats[beat.job, beat.claim].append(beat)
    for one in final.ended:
        grants = story.granted.get((one.job, one.claim), [])
        if one.kind != "requeued" or not grants:
            continue
        renewals = beats[one.job, one.claim]
        renewed = [beat.deadline for beat in renewals if beat.state == "held"]
        if story.steady:
            deadline = max([grants[0].deadline, *renewed])
        elif all(beat.status is not None for beat in renewals):
            deadline = min([grants[0].deadline, *renewed])
        else:
            continue
        if one.ended <= deadline:
            yield f"job {one.job}: expired {deadline - one.ended} ms before its deadline: {named(one)}"


def _held(story: Story) -> dict[tuple[int, str], list[Beat]]:
    """By job and claim: the heartbeats that found it held."""
    found: dict[tuple[int, str], list[Beat]] = defaultdict(list)
    for beat in story.beats:
        if beat.state in ("held", "cancel"):
            found[beat.job, beat.claim].append(beat)
    return found
