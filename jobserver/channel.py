"""Which lists changed, told from process to process by Redis, where one is set.

It is a hint, not a source: while Redis is away, or a word is lost, those who would be told look at the database as
without it.
"""

import hashlib
import hmac
import logging
import threading
import time
from typing import Any

from jobserver.concurrency import spawn
from jobserver.errors import CannotStart

log = logging.getLogger("jobserver.channel")
PAUSE_S = 0.1  # what changes meanwhile is told together
RETRY_S = 2.0
TIMEOUT_S = 2.0
PING_S = 10.0


class Channel:
    """The lists that change. `hears`: whether every change that is told would be heard now."""

    def __init__(self, url: str, secret_key: str) -> None:
        self.hears = False
        self._redis: Any = _client(url) if url else None
        # servers of one database have one key; another's have another
        self._name = "job_manager " + hmac.digest(secret_key.encode(), b"channel", hashlib.sha256).hex()[:32]
        self._lock = threading.Lock()
        self._changed: set[int] = set()
        self._heard: set[int] = set()
        self._telling = self._listening = self._away = False

    def tell(self, list_id: int) -> None:
        """Says, soon, that the list changed; doesn't wait, and doesn't fail."""
        if self._redis is None:
            return
        with self._lock:
            self._changed.add(list_id)
            start, self._telling = not self._telling, True
        if start:
            spawn(self._tell, "channel")

    def listen(self) -> None:
        """Listens from now on."""
        with self._lock:
            start, self._listening = self._redis is not None and not self._listening, True
        if start:
            spawn(self._listen, "channel")

    def heard(self) -> set[int]:
        """The lists that changed since this was asked the last time."""
        with self._lock:
            heard, self._heard = self._heard, set()
        return heard

    def _tell(self) -> None:
        while True:
            time.sleep(PAUSE_S)
            with self._lock:
                changed, self._changed = self._changed, set()
                if not changed:
                    self._telling = False
                    return
            try:
                for list_id in changed:
                    self._redis.publish(self._name, list_id)
                self._away = False
            except Exception as error:
                self._failed(error)

    def _listen(self) -> None:
        while True:
            try:
                with self._redis.pubsub(ignore_subscribe_messages=True) as words:
                    words.subscribe(self._name)
                    self.hears, self._away = True, False
                    self._hear(words)
            except Exception as error:
                self.hears = False
                self._failed(error)

    def _hear(self, words: Any) -> None:
        """Until the connection is lost, or Redis says nothing, not even when it is asked."""
        heard, asked = time.monotonic(), False
        while True:
            word = words.get_message(timeout=1.0)
            silent_s = time.monotonic() - heard
            if word is not None:
                heard, asked = time.monotonic(), False
                if word["type"] == "message":
                    with self._lock:
                        self._heard.add(int(word["data"]))
            elif silent_s > 2 * PING_S:
                raise TimeoutError("it doesn't answer")
            elif silent_s > PING_S and not asked:
                words.ping()
                asked = True

    def _failed(self, error: Exception) -> None:
        if not self._away:
            self._away = True
            log.warning("Redis is away, and pages look for themselves: %s", str(error).partition("\n")[0])
        time.sleep(RETRY_S)


def _client(url: str) -> Any:
    """A client, which connects when it is used; CannotStart where the library isn't there."""
    try:
        import redis
    except ImportError as error:
        raise CannotStart(f"JOBSERVER_REDIS_URL needs redis ({error}): pip install redis.") from error
    try:
        return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except ValueError as error:
        raise CannotStart("JOBSERVER_REDIS_URL is wrong: it is like redis://host:6379/0.") from error
