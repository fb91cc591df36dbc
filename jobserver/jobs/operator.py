"""The verbs of a person who signed in: send back, fail, prefer, pause. With who did it, in the job's history and the
log."""

from collections import defaultdict
from collections.abc import Sequence

from jobserver.core.errors import BadRequest, NoSuchJob, WrongStage
from jobserver.core.filters import Filter
from jobserver.core.lists import JobList
from jobserver.feed.events import Change, Said
from jobserver.jobs.clock import now_ms
from jobserver.store.commit_queue import CommitQueue
from jobserver.store.connection import Row
from jobserver.store.database import Database
from jobserver.store.queries import listing, lists, operating
from jobserver.store.transaction import Transaction

TOGETHER = 1000  # jobs in one transaction


class Operator:
    """The verbs, over one writer. `by`: who does it."""

    def __init__(self, writer: CommitQueue, database: Database) -> None:
        self._writer = writer
        self._database = database

    def send_back(self, job_list: JobList, jobids: Sequence[int], to: int | None, by: str) -> int:
        """Sends flagged jobs back, each to `to` or, None, to the stage before its own; how many."""

        def work(tx: Transaction) -> int:
            rows = operating.send_back(tx, job_list.id, jobids, to, by, now_ms())
            _note(tx, "sent back", rows, by)
            return len(rows)

        return self._writer.run(work, bulk=True)

    def send_back_all(self, job_list: JobList, which: Filter, last_stage: int, to: int | None, by: str) -> int:
        """The same for all flagged jobs that match, some at a time; how many."""
        total, after = 0, -1
        while True:
            found = listing.flagged_ids(self._database.read, job_list.id, which, last_stage, after, TOGETHER)
            if not found:
                return total
            total, after = total + self.send_back(job_list, found, to, by), found[-1]

    def fail(self, job_list: JobList, jobid: int, by: str) -> None:
        """Fails a job that is being worked on."""

        def work(tx: Transaction) -> None:
            rows = operating.fail(tx, job_list.id, jobid, by, now_ms())
            if not rows:
                if listing.one(tx.all, job_list.id, jobid, 0) is None:
                    raise NoSuchJob(f"This list has no job {jobid}.")
                raise WrongStage(
                    f"Job {jobid} is not being worked on, or has failed already: there is nothing to fail."
                )
            _note(tx, "failed", rows, by)

        self._writer.run(work)

    def prefer(self, job_list: JobList, jobids: Sequence[int], priority: int, by: str) -> int:
        """Gives jobs another priority; how many had a different one."""

        def work(tx: Transaction) -> int:
            rows = operating.prefer(tx, job_list.id, jobids, priority, by, now_ms())
            if rows:
                tx.notes.append(Said(job_list.id, f"{len(rows)} jobs have priority {priority} now, by {by}"))
            return len(rows)

        return self._writer.run(work)

    def pause(self, job_list: JobList, paused: bool, by: str) -> bool:
        """Hands out no more jobs, or goes on doing so; whether that is a change."""

        def work(tx: Transaction) -> bool:
            changed = lists.pause(tx, job_list.id, paused)
            if changed:
                tx.notes.append(Said(job_list.id, f"{'paused' if paused else 'resumed'} by {by}", wakes=not paused))
            return changed

        return self._writer.run(work)


def require_jobids(jobids: Sequence[int]) -> Sequence[int]:
    """The ids themselves; BadRequest when there is none, or there are too many for one request."""
    if not 0 < len(jobids) <= TOGETHER:
        raise BadRequest(f"Choose 1 to {TOGETHER} jobs.")
    return jobids


def _note(tx: Transaction, verb: str, rows: list[Row], by: str) -> None:
    moves: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for row in rows:
        moves[row[1], row[3], row[4]].append(row[2])
    for (list_id, old, new), jobids in moves.items():
        tx.notes.append(Change(list_id, verb, tuple(jobids), old, new, worker=by))
