"""The operations that create and fill lists: init, submit, lifetimes."""

from collections import Counter

from jobserver.core.bounds import MAX_STAGES
from jobserver.core.errors import BadRequest, NameTaken
from jobserver.core.lifetimes import Lifetime, LifetimeChange, minutes
from jobserver.core.lists import JobList
from jobserver.core.rules import Rules, RulesChange
from jobserver.core.states import Event, EventKind
from jobserver.core.submissions import MOST_EXAMPLES, NewJobs, Submitted
from jobserver.jobs import guarded
from jobserver.jobs.access import Keys
from jobserver.jobs.clock import now_ms
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import adding, lists, requeuing
from jobserver.store.transaction import Transaction


class Lists:
    """The operations, over one commit queue."""

    def __init__(self, commit_queue: CommitQueue, keys: Keys) -> None:
        self._commit_queue = commit_queue
        self._keys = keys

    def init(self, jobix: int, given: list[Lifetime], name: str | None) -> dict[int, Lifetime]:
        """Creates the list if it is new, and sets its lifetimes if no /init has; returns the current lifetimes."""

        def work(tx: Transaction) -> dict[int, Lifetime]:
            job_list = self._get_or_create(tx, jobix, name)
            if name is not None and job_list.name != name and not lists.rename(tx, job_list.id, name):
                raise NameTaken(f"Another list is named {name!r}; choose another name.")
            current = lists.lifetimes(tx.all, job_list.id)
            initialised = 0 in current  # otherwise /lifetime may have set some; /init sets the others
            for lifetime in given:
                unset = Lifetime(lifetime.stage)  # also the row of a stage that has only rules
                if not initialised and current.get(lifetime.stage, unset) == unset:
                    lists.store_lifetime(tx, job_list.id, lifetime)
                    lists.apply_lifetime(tx, job_list.id, lifetime, now_ms())
                    current[lifetime.stage] = lifetime
            return current

        return self._commit_queue.run(work, exclusive=bool(given) or name is not None)

    def submit(self, jobix: int, jobs: NewJobs, bulk: bool = False) -> Submitted:
        """Adds jobs to the list, which is created if it is new. Known jobs are not changed. `bulk`: it takes long."""

        def work(tx: Transaction) -> Submitted:
            job_list = self._get_or_create(tx, jobix, None)
            first = adding.first_free_id(tx, job_list.id, jobs) if jobs.unnumbered else None
            now, sent, new, different, examples = now_ms(), 0, Counter[int](), 0, list[int | str]()
            for chunk in jobs:
                added = adding.add_jobs(tx, job_list.id, chunk, now, first)
                sent += chunk.jobs
                new.update(added.new)
                different += len(added.different)
                examples += added.different[: MOST_EXAMPLES - len(examples)]
            known = set(lists.counts(tx.all, job_list.id))
            stages = len(known | set(new))
            if set(new) - known and stages > MAX_STAGES:
                raise BadRequest(f"The list would have {stages} different stages; at most {MAX_STAGES} are allowed.")
            for stage, count in sorted(new.items()):
                tx.record(Event(job_list.id, EventKind.SUBMITTED, (), count, None, stage), now)
            return Submitted(new.total(), sent - new.total(), different, examples)

        # Two servers must not choose the same ids.
        return self._commit_queue.run(work, bulk=bulk, exclusive=jobs.is_list)

    def set_lifetime(self, jobix: int, stage: int, change: LifetimeChange) -> Lifetime:
        """Sets the lifetime of a stage, also for the jobs in it."""

        def work(tx: Transaction) -> Lifetime:
            return _set_lifetime(tx, self._get_or_create(tx, jobix, None).id, stage, change)

        return self._commit_queue.run(work, exclusive=True)

    def change_lifetime(self, job_list: JobList, stage: int, lifetime_ms: int, actor: str) -> Lifetime:
        """Sets the lifetime of a stage by a signed-in person; keeps its other settings."""

        def work(tx: Transaction) -> Lifetime:
            lists.require_active(tx.all, job_list.id)
            lifetime = _set_lifetime(tx, job_list.id, stage, LifetimeChange(lifetime_ms))
            message = f"{minutes(lifetime_ms)} min"
            tx.record(Event(job_list.id, EventKind.LIFETIME, (), 0, stage, stage, None, actor, message), now_ms())
            return lifetime

        return self._commit_queue.run(work, exclusive=True)

    def set_rules(self, jobix: int, stage: int, change: RulesChange) -> Rules:
        """Changes the check and the replication of a working stage; returns its rules."""

        def work(tx: Transaction) -> Rules:
            return guarded.change(tx, self._get_or_create(tx, jobix, None).id, stage, change, now_ms())

        return self._commit_queue.run(work, exclusive=True)

    def _get_or_create(self, tx: Transaction, jobix: int, name: str | None) -> JobList:
        hashed = self._keys.hash(jobix)
        job_list = lists.by_hash(tx.all, hashed)
        if job_list is not None:
            job_list.require_active()
        else:
            job_list = lists.create(tx, hashed, name, now_ms())
            if job_list is None and (job_list := lists.by_hash(tx.all, hashed)) is not None:
                return job_list  # created by another server process a moment ago
            if job_list is None:
                raise NameTaken(f"Another list is named {name!r}; choose another name.")
            tx.record(Event(job_list.id, EventKind.CREATED, message=f"named {job_list.name}"), now_ms())
        return job_list


def _set_lifetime(tx: Transaction, list_id: int, stage: int, change: LifetimeChange) -> Lifetime:
    now = now_ms()
    lifetime = change.apply(lists.lifetimes(tx.all, list_id).get(stage, Lifetime(stage)))
    lists.store_lifetime(tx, list_id, lifetime)
    lists.apply_lifetime(tx, list_id, lifetime, now)
    if lifetime.requeue is not None:
        requeuing.requeue_marked(tx, list_id, stage, lifetime.requeue, now)
    return lifetime
