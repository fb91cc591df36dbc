"""A rule on outages: claims that workers held when all servers went down are not lost before they can be renewed."""

from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.request_log import RequestLog


def outages_lose_no_claims(log: RequestLog, final: Final) -> Iterator[str]:
    """After an outage each claim that was held at its start is kept for as long again, or until the end of its lease
    after a renewal."""
    renewed: dict[tuple[int, str], int] = {}
    last_sent: dict[tuple[int, str], float] = {}
    for heartbeat in log.heartbeats:
        claim = heartbeat.job, heartbeat.claim
        renewed[claim] = max(renewed.get(claim, 0), heartbeat.deadline)
        last_sent[claim] = max(last_sent.get(claim, 0), heartbeat.at)
    for outage in log.outages:
        for end in final.claim_ends:
            if not end.by_sweep or not outage.end_ms <= end.ended_ms < outage.end_ms + outage.length_ms:
                continue
            if last_sent.get((end.job, end.claim), 0) >= outage.at:
                continue
            grants = log.granted.get((end.job, end.claim), [])
            was_granted = any(grant.answered_at is not None and grant.answered_at < outage.at for grant in grants)
            if was_granted and max(grants[0].deadline, renewed.get((end.job, end.claim), 0)) > outage.start_ms:
                late_ms = end.ended_ms - outage.end_ms
                yield f"job {end.job}: lost {late_ms} ms after an outage of {outage.length_ms} ms: {describe(end)}"
