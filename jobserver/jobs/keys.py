"""The secret key (jobix) of a list: only a keyed hash of it is stored; and which list it opens."""

import hashlib
import hmac

from jobserver.core.lists import JobList
from jobserver.store.database import Database
from jobserver.store.queries import lists


class Keys:
    """Finds lists by their secret keys. `known`: the lists that were found. Lists are never deleted, so a known one
    need not be looked up; its name may be an old one."""

    def __init__(self, secret_key: str, database: Database) -> None:
        self._key = hashlib.sha256(b"jobix " + secret_key.encode()).digest()
        self._database = database
        self.known: dict[int, JobList] = {}

    def hash(self, jobix: int) -> str:
        """What is stored of a secret key: HMAC-SHA256 under the server's key, hexadecimal."""
        return hmac.digest(self._key, str(jobix).encode(), "sha256").hex()

    def find(self, jobix: int) -> JobList | None:
        """The list that this secret key opens, if there is one."""
        return self.known.get(jobix) or self.look_up(jobix)

    def look_up(self, jobix: int) -> JobList | None:
        """The same with the list's current name."""
        job_list = lists.by_hash(self._database.read, self.hash(jobix))
        if job_list is not None:
            self.known[jobix] = job_list
        return job_list
