"""Finds lists by their secret keys (jobix). Only a keyed hash of a key is stored."""

import hashlib
import hmac

from jobserver.core.lists import JobList
from jobserver.store.database import Database
from jobserver.store.queries import lists


class Keys:
    """Finds lists by their secret keys. `known`: a cache of lists by key. Lists are never deleted, so a cached list is
    valid, but its name may be an old one."""

    def __init__(self, secret_key: str, database: Database) -> None:
        self._key = hashlib.sha256(b"jobix " + secret_key.encode()).digest()
        self._database = database
        self.known: dict[int, JobList] = {}

    def hash(self, jobix: int) -> str:
        """Returns the stored hash of a secret key: HMAC-SHA256 with the server's key, hexadecimal."""
        return hmac.digest(self._key, str(jobix).encode(), "sha256").hex()

    def find(self, jobix: int) -> JobList | None:
        """Returns the list of this secret key; None if there is none."""
        return self.known.get(jobix) or self.look_up(jobix)

    def look_up(self, jobix: int) -> JobList | None:
        """Returns the list of this secret key with its current name; None if there is none."""
        job_list = lists.by_hash(self._database.read, self.hash(jobix))
        if job_list is not None:
            self.known[jobix] = job_list
        return job_list
