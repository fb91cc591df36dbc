"""The secret of a list: never kept, only a keyed hash of it; and which list it opens."""

import hashlib
import hmac

from jobserver.core.lists import JobList
from jobserver.store.database import Database
from jobserver.store.queries import lists


class Keys:
    """Finds lists by their secrets."""

    def __init__(self, secret_key: str, database: Database) -> None:
        self._key = hashlib.sha256(b"jobix " + secret_key.encode()).digest()
        self._database = database
        self._known: dict[int, JobList] = {}

    def hash(self, jobix: int) -> str:
        """What is kept of a secret: HMAC-SHA256 under the server's key, hexadecimal."""
        return hmac.digest(self._key, str(jobix).encode(), "sha256").hex()

    def find(self, jobix: int) -> JobList | None:
        """The list that this secret opens, if there is one. Lists stay for ever, so a known one is not looked up; its
        name may be an old one."""
        return self._known.get(jobix) or self.look_up(jobix)

    def look_up(self, jobix: int) -> JobList | None:
        """The same with the name that it has now."""
        found = lists.by_hash(self._database.read, self.hash(jobix))
        if found is not None:
            self._known[jobix] = found
        return found
