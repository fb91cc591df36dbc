"""The operations on claims: claim, complete, renew.

Each is one transaction of the commit queue. The WHERE clauses of the queries hold the guarantees; this module handles
repeated and rejected requests.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence

from jobserver.core.claims import ClaimedJob, ClaimRequest, Completion, Renewal, Report
from jobserver.core.errors import ClaimSpent, JobServerError
from jobserver.core.lists import JobList
from jobserver.jobs import guarded
from jobserver.jobs.clock import now_ms
from jobserver.jobs.completion import complete, complete_done, complete_each
from jobserver.jobs.replay import is_unclaimed
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import claiming
from jobserver.store.transaction import RunEachAlone, Transaction

MANY = 500  # larger batches run in a thread


def new_token(now: int) -> str:
    """Returns a claim token: the time and 80 random bits. Tokens of the same time are neighbours in an index."""
    return f"{now:012x}{secrets.token_hex(10)}"


class ClaimJobs:
    """The work of one request for jobs; without a request it claims nothing."""

    def __init__(self, list_id: int, request: ClaimRequest | None) -> None:
        self._list_id = list_id
        self._request = request
        self.claimed: list[ClaimedJob] | None = None  # by together(), in the current attempt of the transaction

    @staticmethod
    def together(tx: Transaction, works: Sequence["ClaimJobs"]) -> None:
        """Claims for all requests of a transaction that ask for one job without a token, in one UPDATE for each stage.
        The commit queue calls it before the works themselves, in every transaction."""
        stages: dict[tuple[int, int, int, int | None], list[tuple[ClaimJobs, str | None]]] = defaultdict(list)
        for work in works:
            work.claimed, request = None, work._request
            if request is not None and request.n == 1 and request.token is None:
                place = work._list_id, request.stage, request.working_stage, request.lease_ms
                stages[place].append((work, request.worker))
        now = now_ms()
        for stage, several in sorted(stages.items(), key=lambda item: (item[0][:3], item[0][3] or 0)):
            if len(several) > 1:
                tokens = {new_token(now): work for work, _worker in several}
                workers = dict(zip(tokens, (worker for _work, worker in several), strict=True))
                for token, job in claiming.claim_one_each(tx, *stage, workers, now).items():
                    tokens[token].claimed = [job]

    def __call__(self, tx: Transaction) -> list[ClaimedJob]:
        return _claim(tx, self._list_id, self._request) if self.claimed is None else self.claimed


class CompleteClaim:
    """The work of one request: a report, and then a claim."""

    def __init__(self, list_id: int, report: Report, require_claim: bool, then: ClaimJobs) -> None:
        self._list_id = list_id
        self._report = report
        self._require_claim = require_claim
        self._then = then
        self._done = False

    @staticmethod
    def together(tx: Transaction, works: Sequence["CompleteClaim"]) -> None:
        """Completes the straightforward reports of several requests in one UPDATE for each stage, then claims for these
        requests together. The commit queue calls it before the works themselves, in every transaction."""
        lists: dict[int, list[CompleteClaim]] = defaultdict(list)
        for work in works:
            work._done, work._then.claimed = False, None
            lists[work._list_id].append(work)
        for list_id, several in sorted(lists.items()) if len(works) > 1 else ():
            for number, _move in complete_done(tx, list_id, [work._report for work in several]):
                several[number]._done = True
        ClaimJobs.together(tx, [work._then for work in works if work._done])

    def __call__(self, tx: Transaction) -> tuple[Completion | JobServerError, list[ClaimedJob]]:
        if not self._done:
            outcome = complete(tx, self._list_id, self._report, self._require_claim)
            return outcome, [] if isinstance(outcome, JobServerError) else self._then(tx)
        try:
            return Completion(self._report.jobid, self._report.target), self._then(tx)
        except Exception as error:  # undo the completion
            raise RunEachAlone from error


class Claims:
    """The operations, over one commit queue."""

    def __init__(self, commit_queue: CommitQueue, require_claim: bool) -> None:
        self._commit_queue = commit_queue
        self._require_claim = require_claim

    def claim(self, job_list: JobList, request: ClaimRequest) -> list[ClaimedJob]:
        """Claims the requested jobs; [] if none is available. A repeated token returns the same jobs."""
        return self._commit_queue.run(ClaimJobs(job_list.id, request))

    def complete(
        self, job_list: JobList, report: Report, following: ClaimRequest | None
    ) -> tuple[Completion, list[ClaimedJob]]:
        """Ends a claim as reported and, in the same transaction, claims the next job if requested."""
        work = CompleteClaim(job_list.id, report, self._require_claim, ClaimJobs(job_list.id, following))
        outcome, claimed = self._commit_queue.run(work)
        if isinstance(outcome, JobServerError):
            raise outcome
        return outcome, claimed

    def complete_each(
        self, job_list: JobList, reports: Sequence[Report | JobServerError], following: ClaimRequest | None
    ) -> tuple[list[Completion | JobServerError], list[ClaimedJob]]:
        """Ends many claims, each independent of the others; returns the outcome or the error of each, in order. Instead
        of a report, `reports` may hold the error of its parser."""

        def work(tx: Transaction) -> tuple[list[Completion | JobServerError], list[ClaimedJob]]:
            outcomes = complete_each(tx, job_list.id, reports, self._require_claim)
            return outcomes, _claim(tx, job_list.id, following)

        return self._commit_queue.run(work, bulk=len(reports) > MANY)

    def renew(self, job_list: JobList | None, held: Iterable[tuple[int, str]]) -> list[Renewal]:
        """Renews claims, given as (jobid, token); returns the new deadline or the loss of each."""
        held = list(held)
        if job_list is None:
            return [Renewal(jobid, "lost") for jobid, _ in held]

        def work(tx: Transaction) -> list[Renewal]:
            now = now_ms()
            renewed = {
                number: _renew(tx, job_list.id, *held[number], now)
                # sorted, so that two server processes do not deadlock
                for number in sorted(range(len(held)), key=held.__getitem__)
            }
            return [renewed[number] for number in range(len(held))]

        return self._commit_queue.run(work, bulk=len(held) > MANY)


def _claim(tx: Transaction, list_id: int, request: ClaimRequest | None) -> list[ClaimedJob]:
    if request is None:
        return []
    now = now_ms()
    if request.token is not None:
        claiming.lock_token(tx, request.token)
        held = claiming.held_under(tx, list_id, request.token)
        if held:
            return guarded.with_rules(tx, list_id, request.working_stage, held)
        if claiming.is_spent(tx, list_id, request.token):
            raise ClaimSpent("This claim token was used for an earlier claim, which has ended. Send a new token.")
    token = request.token or new_token(now)
    claimed = claiming.claim_jobs(tx, list_id, request, token, now) or guarded.claim(tx, list_id, request, token, now)
    if not claimed:
        claiming.require_unlocked(tx, list_id, request.stage)
    if request.token is None and len(claimed) > 1:
        return [claiming.give_own_token(tx, job, new_token(now)) for job in claimed]
    return claimed


def _renew(tx: Transaction, list_id: int, jobid: int, token: str, now: int) -> Renewal:
    renewed = claiming.renew(tx, list_id, jobid, token, now)
    if renewed is None:
        return Renewal(jobid, "lost", unclaimed=is_unclaimed(tx, list_id, jobid, token))
    return Renewal(jobid, "cancel" if renewed.cancel else "held", renewed.deadline)
