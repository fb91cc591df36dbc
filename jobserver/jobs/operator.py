"""The operator's actions on jobs and on the list: cancel, skip, delete, retry, fail, set the priority, pause.

Each event names its actor: a signed-in person, or the name in a request with the secret key.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from jobserver.core.errors import BadRequest, ClaimLost, JobServerError, NoSuchJob, WrongStage
from jobserver.core.lists import Filter, JobList
from jobserver.core.operations import UNCLAIMED, Changes, Refused, Target, claim_id
from jobserver.core.states import Condition, Event, EventKind, Outcome
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import listing, lists, operating
from jobserver.store.queries.operating import Place
from jobserver.store.transaction import Transaction

TOGETHER = 1000  # jobs in one transaction
Reason = Callable[[Place, int], str]  # why a job in that state was not changed; the last stage of the list


class Operator:
    """The actions, over one commit queue. `actor`: who requested them."""

    def __init__(self, commit_queue: CommitQueue, database: Database) -> None:
        self._commit_queue = commit_queue
        self._database = database

    def cancel(self, job_list: JobList, targets: Sequence[Target], actor: str) -> Changes:
        """Cancels jobs that are not done: a waiting job at once, a running one through its worker."""

        def work(tx: Transaction, step: Sequence[Target], last: int) -> Changes:
            now = now_ms()
            jobs = operating.by_place(tx, job_list.id, step)
            requested = operating.request_cancel(tx, job_list.id, jobs, actor, now)
            cancelled = operating.cancel(tx, job_list.id, jobs, last, actor, now)
            refused = _refused(tx, job_list.id, step, requested | cancelled, last, _not_cancelled)
            return Changes(len(cancelled), len(requested), refused)

        return self._in_steps(job_list, targets, work)

    def skip(self, job_list: JobList, targets: Sequence[Target], actor: str) -> Changes:
        """Gives up on jobs that are neither held nor done: they count as done, and no worker gets them."""

        def work(tx: Transaction, step: Sequence[Target], last: int) -> Changes:
            jobs = operating.by_place(tx, job_list.id, step)
            skipped = operating.skip(tx, job_list.id, jobs, last, actor, now_ms())
            return Changes(len(skipped), 0, _refused(tx, job_list.id, step, skipped, last, _not_skipped))

        return self._in_steps(job_list, targets, work)

    def delete(self, job_list: JobList, targets: Sequence[Target], actor: str) -> Changes:
        """Deletes jobs that no worker holds, and their history."""

        def work(tx: Transaction, step: Sequence[Target], last: int) -> Changes:
            deleted = operating.delete(tx, job_list.id, operating.by_place(tx, job_list.id, step), actor, now_ms())
            return Changes(len(deleted), 0, _refused(tx, job_list.id, step, deleted, last, _not_deleted))

        return self._in_steps(job_list, targets, work)

    def retry(
        self, job_list: JobList, targets: Sequence[Target], to: int | None, actor: str, done: bool = False
    ) -> Changes:
        """Moves flagged jobs to stage `to`; None: each to the stage before its own. `done`: also done jobs; None: to
        stage 0."""

        def reason(place: Place, last: int) -> str:
            return _not_retried(place, last, to)

        def work(tx: Transaction, step: Sequence[Target], last: int) -> Changes:
            jobs = operating.by_place(tx, job_list.id, step)
            moved = operating.retry(tx, job_list.id, jobs, to, done, last, actor, now_ms())
            return Changes(len(moved), 0, _refused(tx, job_list.id, step, moved, last, reason))

        return self._in_steps(job_list, targets, work)

    def matching(self, job_list: JobList, job_filter: Filter, flagged: bool = False) -> Iterator[list[Target]]:
        """Yields the jobs that match the filter, up to TOGETHER at a time. `flagged`: only flagged jobs."""
        last_stage = lists.last_stage(self._database.read, job_list.id)

        def page_after(after: int) -> listing.Matching:
            return self._database.look(
                lambda connection: listing.matching(
                    connection.all, job_list.id, job_filter, last_stage, after, TOGETHER, flagged
                ),
                long=True,
            )

        after = -1
        while True:
            page = page_after(after)
            if page.jobs:
                yield page.jobs
            if page.after is None:
                return
            after = page.after

    def apply_to_matching(
        self,
        job_list: JobList,
        job_filter: Filter,
        action: Callable[[JobList, Sequence[Target]], Changes],
        flagged: bool = False,
    ) -> Changes:
        """Applies an action to the jobs that match the filter. Jobs whose state does not allow it are not reported."""
        changes = Changes()
        for step in self.matching(job_list, job_filter, flagged):
            changes.add(action(job_list, step))
            changes.refused.clear()
        return changes

    def fail(self, job_list: JobList, target: Target, actor: str) -> None:
        """Fails a running job."""

        def work(tx: Transaction) -> None:
            lists.require_active(tx.all, job_list.id)
            jobs = operating.by_place(tx, job_list.id, [target])
            if not operating.fail(tx, job_list.id, jobs, actor, now_ms()):
                (refused,) = _refused(tx, job_list.id, [target], set(), 0, _not_failed)
                raise refused.error

        self._commit_queue.run(work)

    def set_priority(self, job_list: JobList, jobids: Sequence[int], priority: int, actor: str) -> int:
        """Sets the priority of jobs; returns the number of changed jobs."""

        def work(tx: Transaction) -> int:
            lists.require_active(tx.all, job_list.id)
            return operating.set_priority(tx, job_list.id, jobids, priority, actor, now_ms())

        return self._commit_queue.run(work)

    def pause(self, job_list: JobList, paused: bool, actor: str) -> bool:
        """Pauses or resumes a list; returns whether that is a change."""

        def work(tx: Transaction) -> bool:
            lists.require_active(tx.all, job_list.id)
            changed = lists.pause(tx, job_list.id, paused)
            if changed:
                kind = EventKind.PAUSED if paused else EventKind.RESUMED
                tx.record(Event(job_list.id, kind, actor=actor), now_ms())
            return changed

        return self._commit_queue.run(work)

    def _in_steps(
        self,
        job_list: JobList,
        targets: Sequence[Target],
        work: Callable[[Transaction, Sequence[Target], int], Changes],
    ) -> Changes:
        """Runs the work for TOGETHER jobs at a time, each in a transaction, so that claims do not wait long."""
        changes, remaining = Changes(), iter({target.jobid: target for target in targets}.values())
        while step := list(islice(remaining, TOGETHER)):

            def one(tx: Transaction, step: Sequence[Target] = step) -> Changes:
                lists.require_active(tx.all, job_list.id)
                return work(tx, step, lists.last_stage(tx.all, job_list.id))

            changes.add(self._commit_queue.run(one, bulk=True))
        return changes


def require_jobids(jobids: Sequence[int]) -> Sequence[int]:
    """Returns the ids; BadRequest if there are none, or too many for one request."""
    if not 0 < len(jobids) <= TOGETHER:
        raise BadRequest(f"Choose 1 to {TOGETHER} jobs.")
    return jobids


def _jobids(targets: Sequence[Target]) -> list[int]:
    return [target.jobid for target in targets]


def _refused(
    tx: Transaction, list_id: int, targets: Sequence[Target], changed: set[int], last: int, reason: Reason
) -> list[Refused]:
    """Returns the jobs that were not changed, with the reasons."""
    others = [target for target in targets if target.jobid not in changed]
    places = operating.places(tx, list_id, _jobids(others)) if others else {}
    return [Refused(target.jobid, _error(target, places.get(target.jobid), last, reason)) for target in others]


def _error(target: Target, place: Place | None, last: int, reason: Reason) -> JobServerError:
    job = f"Job {target.jobid}"
    if place is None:
        return NoSuchJob(f"This list has no job {target.jobid}.")
    now = f"it is in stage {place.stage} now, attempt {place.attempt}"
    if target.claim not in (None, UNCLAIMED, claim_id(place.claim)):
        return ClaimLost(f"{job} has changed: the claim that you chose has ended; {now}.")
    if target.stage not in (None, place.stage) or target.claim not in (None, claim_id(place.claim)):
        return WrongStage(f"{job} has changed: {now}.")
    return WrongStage(f"{job} {reason(place, last)}.")


def _is_done(place: Place, last: int) -> bool:
    return place.stage % 2 == 0 and place.stage >= last


def _done(place: Place) -> str:
    return "was skipped" if place.condition == Condition.SKIPPED.value else f"is done (stage {place.stage})"


def _not_cancelled(place: Place, last: int) -> str:
    if _is_done(place, last):
        return _done(place)
    return "was cancelled already" if place.outcome == Outcome.CANCELLED.value else "has failed already"


def _not_skipped(place: Place, last: int) -> str:
    return _done(place) if _is_done(place, last) else "is running: cancel it first"


def _not_failed(_place: Place, _last: int) -> str:
    return "is not running, or has failed already. Nothing was changed"


def _not_deleted(_place: Place, _last: int) -> str:
    return "is running: cancel it first"


def _not_retried(place: Place, last: int, to: int | None) -> str:
    if to is not None and to >= place.stage:
        return f"is in stage {place.stage}: choose an even stage below it"
    if place.held:
        return "is running: wait for it, or cancel it first"
    if _is_done(place, last):
        return f"{_done(place)}: include done jobs to do it again"
    return "waits for a worker already"
