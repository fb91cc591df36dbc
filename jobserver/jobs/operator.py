"""The operations of a signed-in person: retry, fail, set the priority, pause. Each event names its actor."""

from collections.abc import Sequence

from jobserver.core.errors import BadRequest, NoSuchJob, WrongStage
from jobserver.core.lists import Filter, JobList
from jobserver.core.states import Event, EventKind
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import listing, lists, operating
from jobserver.store.transaction import Transaction

TOGETHER = 1000  # jobs in one transaction


class Operator:
    """The operations, over one commit queue. `actor`: the person."""

    def __init__(self, commit_queue: CommitQueue, database: Database) -> None:
        self._commit_queue = commit_queue
        self._database = database

    def retry(self, job_list: JobList, jobids: Sequence[int], to: int | None, actor: str) -> int:
        """Moves flagged jobs to stage `to` (None: each to the stage before its own); returns their number."""
        return self._commit_queue.run(
            lambda tx: operating.retry(tx, job_list.id, jobids, to, actor, now_ms()), bulk=True
        )

    def retry_all(self, job_list: JobList, job_filter: Filter, last_stage: int, to: int | None, actor: str) -> int:
        """Retries all flagged jobs that match the filter, TOGETHER at a time; returns their number."""
        total, after = 0, -1
        while True:
            jobids = listing.flagged_ids(self._database.read, job_list.id, job_filter, last_stage, after, TOGETHER)
            if not jobids:
                return total
            total, after = total + self.retry(job_list, jobids, to, actor), jobids[-1]

    def fail(self, job_list: JobList, jobid: int, actor: str) -> None:
        """Fails a running job."""

        def work(tx: Transaction) -> None:
            if operating.fail(tx, job_list.id, jobid, actor, now_ms()):
                return
            if listing.detail(tx.all, job_list.id, jobid, 0) is None:
                raise NoSuchJob(f"This list has no job {jobid}.")
            raise WrongStage(f"Job {jobid} is not running, or has failed already. Nothing was changed.")

        self._commit_queue.run(work)

    def set_priority(self, job_list: JobList, jobids: Sequence[int], priority: int, actor: str) -> int:
        """Sets the priority of jobs; returns the number of changed jobs."""
        return self._commit_queue.run(
            lambda tx: operating.set_priority(tx, job_list.id, jobids, priority, actor, now_ms())
        )

    def pause(self, job_list: JobList, paused: bool, actor: str) -> bool:
        """Pauses or resumes a list; returns whether that is a change."""

        def work(tx: Transaction) -> bool:
            changed = lists.pause(tx, job_list.id, paused)
            if changed:
                kind = EventKind.PAUSED if paused else EventKind.RESUMED
                tx.record(Event(job_list.id, kind, actor=actor), now_ms())
            return changed

        return self._commit_queue.run(work)


def require_jobids(jobids: Sequence[int]) -> Sequence[int]:
    """Returns the ids; BadRequest if there are none, or too many for one request."""
    if not 0 < len(jobids) <= TOGETHER:
        raise BadRequest(f"Choose 1 to {TOGETHER} jobs.")
    return jobids
