"""Compares the requests and responses of the workers with the final state of the database.

It does no I/O. Each rule yields a sentence for each violation. A rule must not report a server that kept its promises,
even if requests or responses were lost, late or repeated on the network.
"""

from collections.abc import Callable, Iterator

from tests.faults.history import (
    cancels,
    counting,
    late,
    leases,
    outages,
    outbox,
    outputs,
    overlaps,
    paths,
    promises,
    results,
    rules,
)
from tests.faults.history.final import Final
from tests.faults.history.request_log import RequestLog

Rule = Callable[[RequestLog, Final], Iterator[str]]
RULES: tuple[Rule, ...] = (
    paths.every_job_ends_done,
    paths.no_path_is_broken,
    paths.no_event_is_forbidden,
    promises.acknowledged_jobs_exist,
    promises.acknowledged_claims_exist,
    promises.acknowledged_reports_exist,
    promises.refused_requests_have_no_effect,
    promises.every_move_has_a_report,
    promises.no_token_claims_more_than_requested,
    promises.ended_claims_stay_ended,
    overlaps.no_two_claims_overlap,
    overlaps.nothing_expires_before_its_deadline,
    leases.lost_jobs_return_to_their_stage,
    leases.lost_jobs_return_by_themselves,
    leases.renewals_keep_the_time_limit,
    leases.attempts_are_counted,
    outages.outages_lose_no_claims,
    cancels.only_requested_claims_are_cancelled,
    cancels.cancelled_claims_move_nothing,
    outputs.outputs_belong_to_the_accepted_claim,
    outputs.no_input_is_wrong,
    outbox.finished_work_is_delivered,
    outbox.ended_nodes_cost_no_attempt,
    late.late_results_are_kept,
    late.late_results_belong_to_lost_claims,
    late.late_results_win_if_nobody_claimed,
    rules.jobs_advance_with_a_pass,
    rules.jobs_advance_with_agreeing_results,
    results.results_come_from_the_winning_claim,
    counting.counters_equal_a_recount,
    counting.statistics_equal_a_recount,
    counting.pages_equal_the_database,
    counting.database_check_finds_nothing,
)


def violations(log: RequestLog, final: Final) -> list[str]:
    """Returns one sentence for each broken promise."""
    return [sentence for rule in RULES for sentence in rule(log, final)]
