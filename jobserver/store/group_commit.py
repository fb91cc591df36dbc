"""One transaction for several requests, over the one connection that writes.

The event loop never waits for the database. What may wait (PostgreSQL, bulk work, a locked file, the flush of a commit
to a slow disk) is done in a real thread. SQLite's short statements run on the loop: a thread making many small calls
beside a busy loop would lose the interpreter's lock at each of them; and a quick flush costs less than the way to a
thread and back.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from jobserver.core.concurrency import new_event, run_in_thread
from jobserver.core.errors import JobServerError, OutcomeUnknown
from jobserver.store.connection import COLLISIONS, DATABASE_FAILS, DRIVER_ERRORS, Connection, Silent
from jobserver.store.database import Database
from jobserver.store.transaction import Transaction

T = TypeVar("T")
Work = Callable[[Transaction], T]
Aside = Callable[[Callable[[], None]], None]

TRIES = 3  # of what collides with another server process
QUICK_S = 0.001  # a commit that the event loop may wait for
FLUSH_FAILED = 1034  # SQLITE_IOERR_FSYNC
log = logging.getLogger("jobserver.writer")


class NeedsAlone(Exception):
    """Raised by a work that must not share its transaction, before it changed anything; it is then called alone."""


class RunEachAlone(Exception):
    """A work failed half-way in a shared transaction: that is rolled back, and each work run by itself."""


class Entry(Generic[T]):
    """One request's work, and what came of it."""

    def __init__(self, work: Work[T], bulk: bool, exclusive: bool) -> None:
        self.work = work
        self.bulk = bulk or exclusive
        self.exclusive = exclusive
        self.turn = new_event()
        self.done = False
        self.value: T
        self.error: BaseException | None = None
        self.notes: list[Any] = []


class GroupCommit:
    """The only one that begins and ends transactions; one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._ended = 0.0
        self._commit_s = 1.0  # what a commit took of late; it may be slow until it was seen to be quick

    @property
    def silent_s(self) -> float:
        """For how long no transaction has ended; 0 while one goes through many rows, which may take its time."""
        connection = self._connection
        return 0.0 if connection is not None and connection.long else time.monotonic() - self._ended

    def run(self, batch: list[Entry[Any]], alone: bool) -> None:
        """Writes the works of a batch in one transaction; a value or an error in every entry. `alone`: it is one entry
        that may wait for locks, and be tried again. Raises what it was rolled back for."""
        for more in reversed(range(TRIES if alone else 1)):
            try:
                if self._database.postgresql or batch[0].bulk:
                    run_in_thread(self._transact, batch, alone, _here)
                else:
                    self._transact(batch, alone, run_in_thread)
                return
            except COLLISIONS:  # the database took all of it back, for another transaction's sake
                if not more:
                    raise

    def _transact(self, batch: list[Entry[Any]], alone: bool, aside: Aside) -> None:
        """One transaction for the batch. `aside` calls what may wait."""
        connection = self._begun(aside, batch[0].exclusive)
        connection.long = batch[0].bulk
        try:
            transaction = Transaction(connection, alone)
            self._prepare(batch, transaction)
            keep = [self._call(entry, transaction, alone) for entry in batch]
            if any(keep) and transaction.changes:
                transaction.flush()
                self._end(connection, aside)
            else:
                connection.rollback()
            self._ended = time.monotonic()  # before `long` is taken back: who waited through that waits on
        except BaseException:
            try:
                connection.rollback()
            except DRIVER_ERRORS:
                self.drop()
            raise
        finally:
            connection.long = False

    def _begun(self, aside: Aside, exclusive: bool) -> Connection:
        """The connection, in a new transaction. Another connection if the last one is lost: nothing was done yet."""
        kept, self._connection = self._connection, self._connection or self._database.connect()
        self._connection.long = False
        try:
            if self._connection.postgresql or not self._connection.try_begin():
                aside(partial(self._connection.begin, exclusive))
        except DATABASE_FAILS as error:
            self.drop()
            if kept is None or not kept.postgresql or isinstance(error, Silent):
                raise
            self._connection = self._database.connect()
            aside(partial(self._connection.begin, exclusive))
        return self._connection

    def _end(self, connection: Connection, aside: Aside) -> None:
        def commit() -> None:
            begun = time.perf_counter()
            connection.commit()
            self._commit_s += (time.perf_counter() - begun - self._commit_s) / 8

        try:
            commit() if self._commit_s < QUICK_S else aside(commit)
        except DATABASE_FAILS as error:
            if _may_be_done(error, connection.postgresql):
                raise OutcomeUnknown(
                    "The database failed while this was being committed: it may have been done, or not. Send it"
                    " again with the same claim, or look."
                ) from error
            raise

    @staticmethod
    def _prepare(batch: list[Entry[Any]], transaction: Transaction) -> None:
        """Lets works of a kind do together what they would do each."""
        kinds: dict[Any, list[Any]] = defaultdict(list)
        for entry in batch:
            if hasattr(entry.work, "together"):
                kinds[type(entry.work)].append(entry.work)
        try:
            for kind, works in kinds.items():
                kind.together(transaction, works)
        except (*DATABASE_FAILS, *COLLISIONS) as error:
            raise RunEachAlone from error

    @staticmethod
    def _call(entry: Entry[Any], transaction: Transaction, alone: bool) -> bool:
        """Runs one work; whether what it did shall be kept."""
        before = transaction.changes
        transaction.notes = entry.notes = []
        try:
            entry.value = entry.work(transaction)
        except (*DATABASE_FAILS, *COLLISIONS) as error:
            if alone:
                raise
            raise RunEachAlone from error
        except Exception as error:
            entry.error = error
            if not alone and (transaction.changes != before or not isinstance(error, (JobServerError, NeedsAlone))):
                raise RunEachAlone from error
            return False
        return True

    def close(self) -> None:
        """Closes the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def drop(self) -> None:
        """Lets go of a connection that failed."""
        connection, self._connection = self._connection, None
        if connection:
            try:
                connection.close()
            except DRIVER_ERRORS:
                log.warning("a broken connection could not be closed")


def _may_be_done(error: Exception, postgresql: bool) -> bool:
    """Whether a commit that failed so may have been made all the same."""
    if postgresql:  # a state says that it took it back
        return (getattr(error, "sqlstate", None) or "08")[:2] in ("08", "57")
    # SQLite flushes when all is written: should the process end now, the next one finds it, and takes it as committed.
    code = getattr(error, "sqlite_errorcode", None)
    return "disk I/O" in str(error) if code is None else code == FLUSH_FAILED  # None: before Python 3.11


def _here(work: Callable[[], None]) -> None:
    work()
