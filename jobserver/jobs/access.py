"""Rights to lists: the secret key of a list (jobix), and the sessions of pages that signed in with it.

The database stores hashes only: a keyed hash of a jobix, and a hash of a session id. A session ends when its row is
deleted, even if a browser keeps the cookie.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection

from jobserver.core.lists import JobList
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import deleting, lists, page_sessions
from jobserver.store.transaction import Transaction

SESSION_DAYS = 7
_MS_PER_DAY = 86_400_000


class Keys:
    """Finds lists by their secret keys. `known`: a cache of lists by key; a name in it may be old. A list that another
    process has deleted stays in the cache until the next forget_deleted()."""

    def __init__(self, secret_key: str, database: Database) -> None:
        self._key = hashlib.sha256(b"jobix " + secret_key.encode()).digest()
        self._database = database
        self.known: dict[int, JobList] = {}

    def hash(self, jobix: int) -> str:
        """Returns the stored hash of a secret key: HMAC-SHA256 with the server's key, hexadecimal."""
        return hmac.digest(self._key, str(jobix).encode(), "sha256").hex()

    def find(self, jobix: int) -> JobList | None:
        """Returns the list of this secret key; None if there is none. Raises ListDeleted."""
        return self.known.get(jobix) or self.look_up(jobix)

    def look_up(self, jobix: int) -> JobList | None:
        """Returns the list of this secret key with its current name; None if there is none. Raises ListDeleted."""
        job_list = lists.by_hash(self._database.read, self.hash(jobix))
        if job_list is not None:
            job_list.require_not_deleted()
            self.known[jobix] = job_list
        return job_list

    def forget(self, list_ids: Collection[int]) -> None:
        """Removes these lists from the cache."""
        for jobix, job_list in list(self.known.items()):
            if job_list.id in list_ids:
                self.known.pop(jobix, None)

    def forget_deleted(self) -> None:
        """Removes the lists from the cache that any process has deleted."""
        if self.known:
            self.forget(deleting.deleted(self._database.read))


def person(database: Database, session_id: str, job_list: JobList) -> str | None:
    """Returns the name of the person that a session has signed in to a list; None if not signed in."""
    return page_sessions.person(database.read, _session_hash(session_id), job_list.id, now_ms())


def sign_in(commit_queue: CommitQueue, session_id: str, job_list: JobList, name: str) -> str:
    """Signs in to a list. Returns the id of a new session, which receives the other rights of the old one."""
    new_id, now = secrets.token_urlsafe(24), now_ms()

    def work(tx: Transaction) -> None:
        page_sessions.delete_expired(tx, now)
        page_sessions.move(tx, _session_hash(session_id), _session_hash(new_id), job_list.id)
        page_sessions.add(tx, _session_hash(new_id), job_list.id, name, now + SESSION_DAYS * _MS_PER_DAY)

    commit_queue.run(work)
    return new_id


def sign_out(commit_queue: CommitQueue, session_id: str) -> None:
    """Ends a session: its cookie and all copies lose their rights."""
    commit_queue.run(lambda tx: page_sessions.end(tx, _session_hash(session_id)))


def _session_hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
