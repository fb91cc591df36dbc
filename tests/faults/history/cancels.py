"""A rule on cancel requests: each names the attempt that it is meant for."""

from collections.abc import Iterator

from tests.faults.history.final import Final
from tests.faults.history.paths import describe
from tests.faults.history.promises import attempts_of
from tests.faults.history.request_log import RequestLog


def only_requested_attempts_are_cancelled(log: RequestLog, final: Final) -> Iterator[str]:
    """An attempt is cancelled, or must stop, only if a request named its job, stage and attempt."""
    for heartbeat in log.heartbeats:
        for grant in log.granted.get((heartbeat.job, heartbeat.claim), [])[:1]:
            if heartbeat.state == "cancel" and (grant.job, grant.stage + 1, grant.attempt) not in log.cancels:
                yield f"job {grant.job}: claim {grant.claim} had to stop, but nobody cancelled attempt {grant.attempt}"
    for path in final.paths.values():
        for end, attempt in attempts_of(path):
            if end.kind == "cancelled" and (end.job, end.stage, attempt) not in log.cancels:
                yield f"job {end.job}: nobody requested to cancel attempt {attempt}: {describe(end)}"
