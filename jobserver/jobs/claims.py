"""The verbs on claims: claim, complete, renew, cancel.

Each is one transaction, handed to the commit queue. The promises are kept by the WHERE clauses of the queries; this
module knows what a repeated request means, and what went wrong in a refused one.
"""

import secrets
import time
from collections.abc import Iterable, Sequence

from jobserver.core.claims import ClaimedJob, ClaimRequest, Completion, Renewal, Report
from jobserver.core.errors import ClaimSpent, JobServerError
from jobserver.core.lists import JobList
from jobserver.jobs.completion import CompleteClaim, complete_each
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import claiming
from jobserver.store.transaction import Transaction

MANY = 500  # more reports or claims are handled beside the event loop


def new_token(now: int) -> str:
    """A claim's token: 80 random bits behind the time, so that tokens of one time lie together in an index."""
    return f"{now:012x}{secrets.token_hex(10)}"


class Claims:
    """The verbs, over one commit queue."""

    def __init__(self, commit_queue: CommitQueue, require_claim: bool) -> None:
        self._commit_queue = commit_queue
        self._require_claim = require_claim

    def claim(self, job_list: JobList, request: ClaimRequest) -> list[ClaimedJob]:
        """Claims what is requested; [] if no job is available. The same token again returns the same jobs."""
        return self._commit_queue.run(lambda tx: _claim(tx, job_list.id, request))

    def complete(
        self, job_list: JobList, report: Report, following: ClaimRequest | None
    ) -> tuple[Completion, list[ClaimedJob]]:
        """Ends a claim as reported and, in the same transaction, claims what is requested next."""
        return self._commit_queue.run(
            CompleteClaim(job_list.id, report, self._require_claim, lambda tx: _claim(tx, job_list.id, following))
        )

    def complete_each(
        self, job_list: JobList, reports: Sequence[Report | JobServerError], following: ClaimRequest | None
    ) -> tuple[list[Completion | JobServerError], list[ClaimedJob]]:
        """Ends many claims, each judged alone: its outcome, or why it was refused, in order. A report that could not be
        parsed stands among them as its error."""

        def work(tx: Transaction) -> tuple[list[Completion | JobServerError], list[ClaimedJob]]:
            outcomes = complete_each(tx, job_list.id, reports, self._require_claim)
            return outcomes, _claim(tx, job_list.id, following)

        return self._commit_queue.run(work, bulk=len(reports) > MANY)

    def renew(self, job_list: JobList | None, held: Iterable[tuple[int, str]]) -> list[Renewal]:
        """Sets the deadlines of claims, given as (jobid, token), anew from now; says of each whether it holds its
        job."""
        held = list(held)
        if job_list is None:
            return [Renewal(jobid, "lost") for jobid, _ in held]

        def work(tx: Transaction) -> list[Renewal]:
            now = _now_ms()
            renewed = {
                number: _renew(tx, job_list.id, *held[number], now)
                # in this order two server processes do not block each other
                for number in sorted(range(len(held)), key=held.__getitem__)
            }
            return [renewed[number] for number in range(len(held))]

        return self._commit_queue.run(work, bulk=len(held) > MANY)

    def request_cancel(self, job_list: JobList, jobid: int, actor: str | None = None) -> bool:
        """Asks the worker that holds the job, by its next heartbeat, to stop; returns whether there is one."""
        return self._commit_queue.run(lambda tx: claiming.request_cancel(tx, job_list.id, jobid, actor, _now_ms()))


def _claim(tx: Transaction, list_id: int, request: ClaimRequest | None) -> list[ClaimedJob]:
    if request is None:
        return []
    now = _now_ms()
    if request.token is not None:
        claiming.lock_token(tx, request.token)
        held = claiming.held_under(tx, list_id, request.token)
        if held:
            return held
        if claiming.is_spent(tx, list_id, request.token):
            raise ClaimSpent("This claim token was used before and holds nothing any more. Send a new one.")
    claimed = claiming.claim_jobs(tx, list_id, request, request.token or new_token(now), now)
    if request.token is None and len(claimed) > 1:
        return [claiming.give_own_token(tx, job, new_token(now)) for job in claimed]
    return claimed


def _renew(tx: Transaction, list_id: int, jobid: int, token: str, now: int) -> Renewal:
    renewed = claiming.renew(tx, list_id, jobid, token, now)
    if renewed is None:
        return Renewal(jobid, "lost")
    return Renewal(jobid, "cancel" if renewed.cancel else "held", renewed.deadline)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # not clock.now_ms(): one call less on the hottest way
