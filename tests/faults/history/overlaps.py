"""Rules on time: a claim is held from its grant to its end, and no other claim is granted in between.

The database's history gives the order of each job's claims. That order must agree with the observations of the
workers, as for any linearizable register: the response with a later claim must not arrive before the earlier claim can
have ended. The earliest possible end of a claim is the latest of: the request for the claim, a heartbeat that found it
held, and, if its worker ended it, the request that ended it.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.history.final import ClaimEnd, Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import Heartbeat, RequestLog


def no_two_claims_overlap(log: RequestLog, final: Final) -> Iterator[str]:
    """No worker received a claim before the previous claim of the job can have ended."""
    heartbeats = _held_heartbeats(log)

    def earliest_end(end: ClaimEnd) -> float:
        """The earliest time at which the claim can have ended."""
        times = [grant.at for grant in log.granted.get((end.job, end.claim), [])][:1]
        times += [heartbeat.at for heartbeat in heartbeats.get((end.job, end.claim), [])]
        if end.is_reported:
            times.append(min((report.at for report in log.possible_reports(end)), default=log.start_s))
        return max(times, default=log.start_s)

    for job, path in final.paths.items():
        before, held_until = None, log.start_s
        for end in path:
            granted = [
                grant.answered_at for grant in log.granted.get((job, end.claim), []) if grant.answered_at is not None
            ]
            other = before is not None and before.claim != end.claim  # else: its result was accepted late
            if before is not None and other and granted and min(granted) < held_until:
                yield (
                    f"job {job}: two claims overlap:"
                    f" {describe(before)} was held at least until {log.clock(held_until)};"
                    f" {describe(end)} had been granted at {log.clock(min(granted))}"
                )
            if (earliest := earliest_end(end)) > held_until:
                before, held_until = end, earliest


def nothing_expires_before_its_deadline(log: RequestLog, final: Final) -> Iterator[str]:
    """A claim is lost only after the deadline that its worker received. Both are times of the servers' clocks.

    With heartbeats the last deadline counts. It is known only if all came from one server with an unmoved clock.
    Otherwise the earliest counts, if all heartbeats got a response.
    """
    heartbeats: dict[tuple[int, str], list[Heartbeat]] = defaultdict(list)
    for heartbeat in log.heartbeats:
        heartbeats[heartbeat.job, heartbeat.claim].append(heartbeat)
    for end in final.claim_ends:
        grants = log.granted.get((end.job, end.claim), [])
        if not end.by_sweep or not grants:
            continue
        renewals = heartbeats[end.job, end.claim]
        renewed = [heartbeat.deadline for heartbeat in renewals if heartbeat.state == "held"]
        if log.one_clock:
            deadline = max([grants[0].deadline, *renewed])
        elif all(heartbeat.status is not None for heartbeat in renewals):
            deadline = min([grants[0].deadline, *renewed])
        else:
            continue
        if end.ended_ms <= deadline:
            yield f"job {end.job}: expired {deadline - end.ended_ms} ms before its deadline: {describe(end)}"


def _held_heartbeats(log: RequestLog) -> dict[tuple[int, str], list[Heartbeat]]:
    """By job and claim: the heartbeats that found it held."""
    held: dict[tuple[int, str], list[Heartbeat]] = defaultdict(list)
    for heartbeat in log.heartbeats:
        if heartbeat.state in ("held", "cancel"):
            held[heartbeat.job, heartbeat.claim].append(heartbeat)
    return held
