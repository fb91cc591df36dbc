"""Judges a run: what workers asked and were told, against what the database holds in the end.

Pure. Each rule yields a sentence for each violation; a rule must never blame a server that kept its promises, whatever
was lost, late or repeated on the way.
"""

from collections.abc import Callable, Iterator

from tests.faults.history import counting, overlaps, paths, promises, results
from tests.faults.history.final import Final
from tests.faults.history.story import Story

Rule = Callable[[Story, Final], Iterator[str]]
RULES: tuple[Rule, ...] = (
    paths.every_job_ends_done,
    paths.no_path_is_broken,
    paths.no_event_is_forbidden,
    promises.what_was_submitted_is_there,
    promises.what_was_granted_is_there,
    promises.what_was_accepted_is_there,
    promises.what_was_refused_is_not_there,
    promises.nothing_moved_that_nobody_asked_for,
    promises.no_token_holds_more_than_it_asked_for,
    promises.what_is_over_stays_over,
    overlaps.no_two_claims_overlap,
    overlaps.nothing_expires_before_its_deadline,
    results.what_moves_on_is_of_the_claim_that_won,
    counting.counters_equal_a_recount,
    counting.statistics_equal_a_recount,
    counting.pages_say_what_the_database_holds,
    counting.the_database_is_sound,
)


def violations(story: Story, final: Final) -> list[str]:
    """Every promise that was broken, a sentence each."""
    return [sentence for rule in RULES for sentence in rule(story, final)]
