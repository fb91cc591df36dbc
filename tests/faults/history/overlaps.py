"""Rules on time: a claim is held from its grant to its end, and no other claim is granted in between.

The database's history gives the order of each job's claims. That order must be one that the workers can have seen, as
for any register that is linearizable: a claim that comes later in it may not have been granted, and its worker told,
before the one in front of it can have ended. When a claim ends is known from one side: not before it was asked for, not
before a heartbeat found it held, and, if its worker ended it, not before that was asked for.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.history.final import Ended, Final
from tests.faults.history.paths import named
from tests.faults.history.story import REPORTED, Beat, Story


def no_two_claims_overlap(story: Story, final: Final) -> Iterator[str]:
    """No claim was granted, and its worker told, before the one in front of it can have ended."""
    beats = _held(story)

    def earliest_end(one: Ended) -> float:
        """Not before this can it have ended."""
        known = [grant.at for grant in story.granted.get((one.job, one.claim), [])][:1]
        known += [beat.at for beat in beats.get((one.job, one.claim), [])]
        if one.kind in REPORTED:
            known.append(min((end.at for end in story.causes(one)), default=story.begun))
        return max(known, default=story.begun)

    for job, path in final.paths.items():
        before, held_until = None, story.begun
        for one in path:
            told = [grant.told_at for grant in story.granted.get((job, one.claim), []) if grant.told_at is not None]
            if before is not None and told and min(told) < held_until:
                yield (
                    f"job {job}: two claims overlap: {named(before)} was held until {story.clock(held_until)} at least;"
                    f" {named(one)} had been granted at {story.clock(min(told))}"
                )
            if (end := earliest_end(one)) > held_until:
                before, held_until = one, end


def nothing_expires_before_its_deadline(story: Story, final: Final) -> Iterator[str]:
    """A claim is lost only after the deadline that its worker was told of. Both are times of the servers' clocks.

    With heartbeats the last of them counts. Which that was is only known where one server with an unmoved clock told
    all of them; else the earliest counts, if all were answered.
    """
    beats: dict[tuple[int, str], list[Beat]] = defaultdict(list)
    for beat in story.beats:
        beats[beat.job, beat.claim].append(beat)
    for one in final.ended:
        told = story.granted.get((one.job, one.claim), [])
        if one.kind != "requeued" or not told:
            continue
        renewals = beats[one.job, one.claim]
        renewed = [beat.deadline for beat in renewals if beat.state == "held"]
        if story.steady:
            deadline = max([told[0].deadline, *renewed])
        elif all(beat.status is not None for beat in renewals):
            deadline = min([told[0].deadline, *renewed])
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
