"""Many requests, one commit.

A commit costs a flush to the disk, much more than a claim's statement. So requests that arrive while a commit is on
its way wait, and share the next one. There is no thread for this: the first request to come writes for all that wait,
and then hands on to one of those that came meanwhile.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from jobserver.core.concurrency import new_lock, yield_to_loop
from jobserver.core.errors import DatabaseBusy, OutcomeUnknown, Unavailable
from jobserver.store.connection import COLLISIONS, DATABASE_FAILS
from jobserver.store.database import Database
from jobserver.store.group_commit import Entry, GroupCommit, NeedsAlone, RunEachAlone, Work

T = TypeVar("T")

MAX_TOGETHER = 128  # requests in one commit: bounds how long the first of them waits
log = logging.getLogger("jobserver.writer")


class CommitQueue:
    """The only way to change anything. `told` gets the notes of each work after its commit."""

    def __init__(self, database: Database, told: Callable[[list[Any]], None]) -> None:
        self._database = database
        self._told = told
        self._lock = new_lock()
        self._waiting: deque[Entry[Any]] = deque()
        self._busy = False
        self._transactor = GroupCommit(database)

    def run(self, work: Work[T], bulk: bool = False, exclusive: bool = False) -> T:
        """Calls work(transaction), maybe beside others' works in one transaction, and returns its value once that is
        committed. Raises what work raised: then nothing of it remains. DatabaseBusy when the database fails.

        work may be called more than once, and must not touch anything but the transaction. Works of a class that has
        it are first given, all that share the transaction, to its `together(transaction, works)`.

        `bulk`: it takes long. `exclusive`: no other server process writes meanwhile; for what others' works read, the
        lifetimes.
        """
        entry = Entry(work, bulk, exclusive)
        with self._lock:
            self._waiting.append(entry)
            first, self._busy = not self._busy, True
        while not first and not entry.turn.wait(self._database.settings.busy_timeout_s):
            self._give_up(entry)
        if not entry.done:
            self._write(entry)
        if entry.error is not None:
            raise entry.error
        if entry.notes:
            self._told(entry.notes)
        return entry.value

    @property
    def busy(self) -> bool:
        """Whether something is being written, or waits for that."""
        return self._busy

    def close(self) -> None:
        """Closes the connection."""
        self._transactor.close()

    def _give_up(self, entry: Entry[Any]) -> None:
        """Takes an entry out of the queue if the database has been silent while it waited: none of it was done."""
        silent = self._transactor.silent_s >= self._database.settings.busy_timeout_s
        with self._lock:
            if silent and entry in self._waiting and not entry.turn.is_set():
                self._waiting.remove(entry)
                raise DatabaseBusy("The database has not answered for some seconds; try again.")

    def _write(self, own: Entry[Any]) -> None:
        """Writes for those that wait, `own` first, and hands on to the first of the rest."""
        yield_to_loop()  # requests that have come already share this commit
        batch = self._take()
        try:
            self._commit(batch)
        except BaseException:
            for entry in batch:
                entry.error = entry.error or DatabaseBusy("The writing was interrupted; try again.")
            raise
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
                if following is not None:
                    following.turn.set()  # under the lock, so that it doesn't give up now
            for entry in batch:
                entry.done = True
                if entry is not own:
                    entry.turn.set()

    def _take(self) -> list[Entry[Any]]:
        with self._lock:
            batch = [self._waiting.popleft()]
            while not batch[0].bulk and self._waiting and not self._waiting[0].bulk and len(batch) < MAX_TOGETHER:
                batch.append(self._waiting.popleft())
            return batch

    def _commit(self, batch: list[Entry[Any]]) -> None:
        """Sets a value or an error in every entry."""
        alone, give_up = batch, time.monotonic() + self._database.settings.busy_timeout_s
        try:
            self._transactor.run(batch, len(batch) == 1)
            alone = [entry for entry in batch if isinstance(entry.error, NeedsAlone)]
        except RunEachAlone:
            pass  # nothing of it remains
        except (Unavailable, *DATABASE_FAILS, *COLLISIONS) as error:
            self._fail(batch, error)
            return
        for number, entry in enumerate(alone if len(batch) > 1 else []):
            entry.error = None
            if time.monotonic() > give_up:
                self._fail(alone[number:], DatabaseBusy("The database is slow or locked; try again."))
                return
            try:
                self._transactor.run([entry], True)
            except DatabaseBusy as error:
                self._fail(alone[number:], error)
                return
            except (OutcomeUnknown, *DATABASE_FAILS, *COLLISIONS) as error:
                self._fail([entry], error)

    def _fail(self, entries: list[Entry[Any]], error: BaseException) -> None:
        if isinstance(error, OutcomeUnknown):
            log.error("the database was lost in a commit: %s", str(error.__cause__).partition("\n")[0])
            self._transactor.drop()
        elif not isinstance(error, DatabaseBusy):
            log.error("the database failed: %s: %s", type(error).__name__, str(error).partition("\n")[0])
            self._transactor.drop()
            error = DatabaseBusy("The database could not take this now; try again.")
        for entry in entries:
            entry.error = error
