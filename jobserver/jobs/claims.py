"""The verbs on jobs that are held: claim, end, renew. With submitting.py and expiring.py, the only places where a
transaction ends.

Each verb is the work of one transaction, handed to the writer. The promises are kept by the queries' WHERE clauses;
this file knows what a request that is sent twice means, and says whose fault a refusal is.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence

from jobserver.core.claims import Claimed, Ended, Renewed, Report, Wish
from jobserver.core.errors import ClaimSpent, JobServerError
from jobserver.core.lists import JobList
from jobserver.feed.events import Change
from jobserver.feed.long_poll import LongPolls
from jobserver.jobs.clock import now_ms
from jobserver.jobs.completion import Ending, end_each
from jobserver.store.commit_queue import CommitQueue
from jobserver.store.connection import Row
from jobserver.store.group_commit import NeedsAlone
from jobserver.store.queries import claiming
from jobserver.store.transaction import Transaction

MANY = 500  # more are done beside the event loop


def new_token(now: int) -> str:
    """A claim's token: 80 random bits behind the time, so that tokens of one time lie together in an index."""
    return f"{now:012x}{secrets.token_hex(10)}"


class Claims:
    """The verbs, over one writer."""

    def __init__(self, writer: CommitQueue, waiting: LongPolls, require_claim: bool) -> None:
        self._writer = writer
        self._waiting = waiting
        self._require_claim = require_claim

    def claim(
        self, find: Callable[[], JobList | None], wish: Wish, wait_s: float, gone: Callable[[], bool]
    ) -> list[Claimed]:
        """Claims what is wished for, waiting up to wait_s for a first job; [] if there is none, or no more may wait.

        find: the list, which may come into being while it waits. gone: whether the worker went away meanwhile; then
        the job that it was woken for is another's.
        """
        if not wait_s:
            job_list = find()
            return self._claim_now(job_list, wish) if job_list else []
        give_up = time.monotonic() + wait_s
        while True:
            job_list = find()
            with self._waiting.place(job_list.id if job_list else None, wish.stage) as wait:
                found = self._claim_now(job_list, wish) if job_list else []
                left_s = give_up - time.monotonic()
                if found or left_s <= 0 or self._waiting.closed or not wait(left_s):
                    return found
            if gone():
                if job_list:
                    self._waiting.wake(job_list.id, wish.stage, 1)
                return []

    def end(self, job_list: JobList, report: Report, wish: Wish | None) -> tuple[Ended, list[Claimed]]:
        """Ends a claim as reported and, in the same transaction, claims what is wished for next."""
        return self._writer.run(
            Ending(job_list.id, report, self._require_claim, lambda tx: self._claim(tx, job_list.id, wish))
        )

    def end_each(
        self, job_list: JobList, reports: Sequence[Report | JobServerError], wish: Wish | None
    ) -> tuple[list[Ended | JobServerError], list[Claimed]]:
        """Ends many claims, each judged alone: its outcome, or why it was refused, in order. A report that can't be
        read stands among them as its error."""

        def work(tx: Transaction) -> tuple[list[Ended | JobServerError], list[Claimed]]:
            outcomes = end_each(tx, job_list.id, reports, self._require_claim)
            return outcomes, self._claim(tx, job_list.id, wish)

        return self._writer.run(work, bulk=len(reports) > MANY)

    def renew(self, job_list: JobList | None, held: Iterable[tuple[int, str]]) -> list[Renewed]:
        """Sets the deadlines of claims anew, from now; says of each whether it still holds its job."""
        held = list(held)
        if job_list is None:
            return [Renewed(jobid, "lost") for jobid, _ in held]

        def work(tx: Transaction) -> list[Renewed]:
            now = now_ms()
            renewed = {
                number: self._renew(tx, job_list.id, *held[number], now)
                # in this order two server processes don't wait for each other's jobs for ever
                for number in sorted(range(len(held)), key=held.__getitem__)
            }
            return [renewed[number] for number in range(len(held))]

        return self._writer.run(work, bulk=len(held) > MANY)

    def cancel(self, job_list: JobList, jobid: int) -> bool:
        """Has the worker that holds the job told, at its next heartbeat, to stop; whether there is one."""
        return self._writer.run(lambda tx: claiming.cancel(tx, job_list.id, jobid))

    def _claim_now(self, job_list: JobList, wish: Wish) -> list[Claimed]:
        return self._writer.run(lambda tx: self._claim(tx, job_list.id, wish))

    @staticmethod
    def _claim(tx: Transaction, list_id: int, wish: Wish | None) -> list[Claimed]:
        if wish is None:
            return []
        now = now_ms()
        if wish.claim is not None:
            claiming.lock_token(tx, wish.claim)
            held = claiming.held_under(tx, list_id, wish.claim)
            if held:
                return [_claimed(row) for row in held]
            if claiming.is_spent(tx, list_id, wish.claim):
                raise ClaimSpent("This claim token was used before and holds nothing any more. Send a new one.")
        token = wish.claim or new_token(now)
        chosen = wish.claim is not None
        rows = claiming.claim_jobs(tx, list_id, wish.stage, wish.work, wish.n, token, chosen, wish.worker, now)
        if not rows:
            if tx.postgresql and not tx.alone and tx.jobs_in(list_id, wish.stage) > 0:
                raise NeedsAlone  # others hold the rest locked: wait for what they do, with no lock of our own
            return []
        if not chosen and len(rows) > 1:
            rows = [(*row[:5], _own_token(tx, row, token, now), *row[6:]) for row in rows]
        jobids = tuple(row[1] for row in rows)
        tx.notes.append(Change(list_id, "claimed", jobids, wish.stage, wish.work, worker=wish.worker))
        return [_claimed(row) for row in rows]

    @staticmethod
    def _renew(tx: Transaction, list_id: int, jobid: int, claim: str, now: int) -> Renewed:
        renewed = claiming.renew(tx, list_id, jobid, claim, now)
        if renewed is None:
            return Renewed(jobid, "lost")
        deadline, cancelled = renewed
        return Renewed(jobid, "cancel" if cancelled else "held", deadline)


def _claimed(row: Row) -> Claimed:
    return Claimed(row[1], row[2], row[3], row[4], row[5], row[6])


def _own_token(tx: Transaction, row: Row, token: str, now: int) -> str:
    own = new_token(now)
    claiming.give_own_token(tx, row[0], token, own)
    return own
