"""Sign-in and sign-out on pages. The database stores a hash of the session id; a session ends when its row is deleted,
even if a browser keeps the cookie."""

import hashlib
import secrets

from jobserver.core.lists import JobList
from jobserver.jobs.clock import now_ms
from jobserver.store.database import Database
from jobserver.store.group_commit import CommitQueue
from jobserver.store.queries import page_sessions
from jobserver.store.transaction import Transaction

DAYS = 7
_MS_PER_DAY = 86_400_000


def person(database: Database, session_id: str, job_list: JobList) -> str | None:
    """Returns the name of the person that a session has signed in to a list; None if not signed in."""
    return page_sessions.person(database.read, _hash(session_id), job_list.id, now_ms())


def sign_in(commit_queue: CommitQueue, session_id: str, job_list: JobList, name: str) -> str:
    """Signs in to a list. Returns the id of a new session, which receives the other rights of the old one."""
    new_id, now = secrets.token_urlsafe(24), now_ms()

    def work(tx: Transaction) -> None:
        page_sessions.delete_expired(tx, now)
        page_sessions.move(tx, _hash(session_id), _hash(new_id), job_list.id)
        page_sessions.add(tx, _hash(new_id), job_list.id, name, now + DAYS * _MS_PER_DAY)

    commit_queue.run(work)
    return new_id


def sign_out(commit_queue: CommitQueue, session_id: str) -> None:
    """Ends a session: its cookie and all copies lose their rights."""
    commit_queue.run(lambda tx: page_sessions.end(tx, _hash(session_id)))


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
