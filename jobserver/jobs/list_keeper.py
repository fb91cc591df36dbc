"""The operations on whole lists: archive, restore, delete. Each event names its actor."""

from jobserver.core.errors import ListInUse
from jobserver.core.lists import JobList
from jobserver.core.states import Event, EventKind
from jobserver.jobs.access import Keys
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import deleting, lists
from jobserver.store.transaction import Transaction


class ListKeeper:
    """The operations, over one commit queue. `actor`: who requested them."""

    def __init__(self, commit_queue: CommitQueue, database: Database, keys: Keys) -> None:
        self._commit_queue = commit_queue
        self._database = database
        self._keys = keys

    def archive(self, job_list: JobList, force: bool, actor: str) -> None:
        """Makes a list read-only and hides it from the overview; workers get no jobs of it. Raises ListInUse if workers
        hold jobs; with `force` these jobs may finish."""

        def work(tx: Transaction) -> None:
            lists.by_id(tx.all, job_list.id).require_not_deleted()
            _require_idle(tx, job_list.id, force, "archive")
            if deleting.archive(tx, job_list.id, True):
                tx.record(Event(job_list.id, EventKind.ARCHIVED, actor=actor), now_ms())

        self._commit_queue.run(work, exclusive=True)

    def restore(self, job_list: JobList, actor: str) -> None:
        """Undoes archive()."""

        def work(tx: Transaction) -> None:
            lists.by_id(tx.all, job_list.id).require_not_deleted()
            if deleting.archive(tx, job_list.id, False):
                tx.record(Event(job_list.id, EventKind.RESTORED, actor=actor), now_ms())

        self._commit_queue.run(work)

    def delete(self, job_list: JobList, force: bool, actor: str) -> None:
        """Deletes a list: from now on its key is refused. Retention.purge() deletes its rows. Raises ListInUse if
        workers hold jobs; with `force` they lose them."""

        def work(tx: Transaction) -> None:
            current = lists.by_id(tx.all, job_list.id)
            current.require_not_deleted()
            _require_idle(tx, job_list.id, force, "delete")
            deleting.delete(tx, job_list.id)
            event = Event(job_list.id, EventKind.LIST_DELETED, actor=actor, message=f"named {current.name}")
            tx.record(event, now_ms())

        self._commit_queue.run(work, exclusive=True)  # no /set of another server adds jobs meanwhile
        self._keys.forget({job_list.id})


def _require_idle(tx: Transaction, list_id: int, force: bool, verb: str) -> None:
    number = 0 if force else deleting.held(tx.all, list_id)
    if number:
        jobs = "1 job is" if number == 1 else f"{number:,} jobs are"
        raise ListInUse(f"{jobs} running. Wait, or cancel them, or force it, to {verb} the list. Nothing was changed.")
