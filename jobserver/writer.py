"""Many requests, one commit.

A commit costs a flush to the disk, much more than a claim's statement. So requests that arrive while a commit is on
its way wait, and share the next one. There is no thread for this: the first request to come writes for all that wait,
and then hands on to one of those that came meanwhile.

The event loop never waits for the database. What may wait (PostgreSQL, bulk work, a locked file, a commit's flush) is
done in a real thread. SQLite's short statements run on the loop: a thread making many small calls beside a busy loop
would lose the interpreter's lock at each of them.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from jobserver.concurrency import real_thread
from jobserver.database import COLLISIONS, DATABASE_FAILS, DRIVER_ERRORS, Connection, Database, Silent
from jobserver.errors import DatabaseBusy, JobServerError, OutcomeUnknown, Unavailable
from jobserver.storage.transaction import Transaction

T = TypeVar("T")
Work = Callable[[Transaction], T]
Aside = Callable[[Callable[[], None]], None]

TRIES = 3  # of what collides with another server process
MAX_TOGETHER = 128  # requests in one commit: bounds how long the first of them waits
log = logging.getLogger("jobserver.writer")


class NeedsAlone(Exception):
    """Raised by a work that must not share its transaction, before it changed anything; it is then called alone."""


class _RunEachAlone(Exception):
    """A work failed half-way in a shared transaction: that is rolled back, and each work run by itself."""


class _Entry(Generic[T]):
    """One request's work, and what came of it."""

    def __init__(self, work: Work[T], bulk: bool, exclusive: bool) -> None:
        self.work = work
        self.bulk = bulk or exclusive
        self.exclusive = exclusive
        self.turn = threading.Event()
        self.done = False
        self.value: T
        self.error: BaseException | None = None
        self.notes: list[Any] = []


class Writer:
    """The only one that ends transactions. `told` gets the notes of each work after its commit."""

    def __init__(self, database: Database, told: Callable[[list[Any]], None]) -> None:
        self._database = database
        self._told = told
        self._lock = threading.Lock()
        self._waiting: deque[_Entry[Any]] = deque()
        self._busy = False
        self._bulk = False
        self._connection: Connection | None = None

    def run(self, work: Work[T], bulk: bool = False, exclusive: bool = False) -> T:
        """Calls work(transaction), maybe beside others' works in one transaction, and returns its value once that is
        committed. Raises what work raised: then nothing of it remains. DatabaseBusy when the database fails.

        work may be called more than once, and must not touch anything but the transaction. `bulk`: it takes long.
        `exclusive`: no other server process writes meanwhile; for what others' works read, the lifetimes.
        """
        entry = _Entry(work, bulk, exclusive)
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
        if self._connection:
            self._connection.close()
            self._connection = None

    def _give_up(self, entry: _Entry[Any]) -> None:
        """Takes out of the queue what has waited too long: none of it was done. Bulk work may take its time."""
        with self._lock:
            if entry in self._waiting and not entry.turn.is_set() and not self._bulk:
                self._waiting.remove(entry)
                raise DatabaseBusy("The database has not answered for some seconds; try again.")

    def _write(self, own: _Entry[Any]) -> None:
        """Writes for those that wait, `own` first, and hands on to the first of the rest."""
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

    def _take(self) -> list[_Entry[Any]]:
        with self._lock:
            batch = [self._waiting.popleft()]
            while not batch[0].bulk and self._waiting and not self._waiting[0].bulk and len(batch) < MAX_TOGETHER:
                batch.append(self._waiting.popleft())
            self._bulk = False
        return batch

    def _commit(self, batch: list[_Entry[Any]]) -> None:
        """Sets a value or an error in every entry."""
        alone, give_up = batch, time.monotonic() + self._database.settings.busy_timeout_s
        try:
            self._in_one(batch, len(batch) == 1)
            alone = [entry for entry in batch if isinstance(entry.error, NeedsAlone)]
        except _RunEachAlone:
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
                self._in_one([entry], True)
            except DatabaseBusy as error:
                self._fail(alone[number:], error)
                return
            except (OutcomeUnknown, *DATABASE_FAILS, *COLLISIONS) as error:
                self._fail([entry], error)

    def _in_one(self, batch: list[_Entry[Any]], alone: bool) -> None:
        for more in reversed(range(TRIES if alone else 1)):
            try:
                if self._database.postgresql or batch[0].bulk:
                    real_thread(self._transact, batch, alone, _here)
                else:
                    self._transact(batch, alone, real_thread)
                return
            except COLLISIONS:  # the database took all of it back, for another transaction's sake
                if not more:
                    raise

    def _transact(self, batch: list[_Entry[Any]], alone: bool, aside: Aside) -> None:
        """One transaction for the batch. `aside` calls what may wait."""
        connection = self._begun(aside, batch[0].exclusive)
        connection.long = self._bulk = batch[0].bulk
        try:
            transaction = Transaction(connection, alone)
            keep = [self._call(entry, transaction, alone) for entry in batch]
            if any(keep) and transaction.changes:
                transaction.flush()
                self._end(connection, aside)
            else:
                connection.rollback()
        except BaseException:
            try:
                connection.rollback()
            except DRIVER_ERRORS:
                self._drop_connection()
            raise

    def _begun(self, aside: Aside, exclusive: bool) -> Connection:
        """The connection, in a new transaction. Another connection if the last one is lost: nothing was done yet."""
        kept, self._connection = self._connection, self._connection or self._database.connect()
        self._connection.long = False
        try:
            if self._connection.postgresql or not self._connection.try_begin():
                aside(partial(self._connection.begin, exclusive))
        except DATABASE_FAILS as error:
            self._drop_connection()
            if kept is None or not kept.postgresql or isinstance(error, Silent):
                raise
            self._connection = self._database.connect()
            aside(partial(self._connection.begin, exclusive))
        return self._connection

    @staticmethod
    def _end(connection: Connection, aside: Aside) -> None:
        try:
            aside(connection.commit)
        except DATABASE_FAILS as error:
            # SQLite has nobody in between who could lose the answer; a state says that PostgreSQL took it back
            if connection.postgresql and (getattr(error, "sqlstate", None) or "08")[:2] in ("08", "57"):
                raise OutcomeUnknown(
                    "The database went away while this was being committed: it may have been done, or not. Send it"
                    " again with the same claim, or look."
                ) from error
            raise

    @staticmethod
    def _call(entry: _Entry[Any], transaction: Transaction, alone: bool) -> bool:
        """Runs one work; whether what it did shall be kept."""
        before = transaction.changes
        transaction.notes = entry.notes = []
        try:
            entry.value = entry.work(transaction)
        except (*DATABASE_FAILS, *COLLISIONS) as error:
            if alone:
                raise
            raise _RunEachAlone from error
        except Exception as error:
            entry.error = error
            if not alone and (transaction.changes != before or not isinstance(error, (JobServerError, NeedsAlone))):
                raise _RunEachAlone from error
            return False
        return True

    def _fail(self, entries: list[_Entry[Any]], error: BaseException) -> None:
        if isinstance(error, OutcomeUnknown):
            log.error("the database was lost in a commit: %s", str(error.__cause__).partition("\n")[0])
            self._drop_connection()
        elif not isinstance(error, DatabaseBusy):
            log.error("the database failed: %s: %s", type(error).__name__, str(error).partition("\n")[0])
            self._drop_connection()
            error = DatabaseBusy("The database could not take this now; try again.")
        for entry in entries:
            entry.error = error

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            try:
                connection.close()
            except DRIVER_ERRORS:
                log.warning("a broken connection could not be closed")


def _here(work: Callable[[], None]) -> None:
    work()
