"""Group commit: many requests, one transaction, one flush to the disk.

A flush costs much more than a claim's statement. So requests that arrive during a commit wait and share the next one.
There is no writer thread: the first request writes the batch of all that wait, then wakes a request of the next batch.
The event loop never waits for the database. Work that may block (PostgreSQL, bulk work, a locked file, a slow flush)
runs in a real thread. SQLite's short statements run on the loop: a thread would lose the interpreter lock at each call.
"""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from jobserver.core.concurrency import Event as ThreadEvent
from jobserver.core.concurrency import has_event_loop, new_event, new_lock, run_in_thread, run_ready
from jobserver.core.errors import DatabaseBusy, DatabaseLost, JobServerError, OutcomeUnknown, Unavailable
from jobserver.core.states import Event
from jobserver.store.connection import COLLISIONS, DATABASE_FAILS, DRIVER_ERRORS, Connection, Silent
from jobserver.store.database import Database
from jobserver.store.transaction import NeedsAlone, RunEachAlone, Transaction

T = TypeVar("T")
Work = Callable[[Transaction], T]
BlockingRunner = Callable[[Callable[[], None]], None]

MAX_TOGETHER = 128  # requests in one commit: limits the wait of the first one
TRIES = 3  # attempts of a transaction that collides with another server process
QUICK_S = 0.001  # a commit that the event loop may wait for
log = logging.getLogger("jobserver.group_commit")


class Entry(Generic[T]):
    """The work of one request, and its value or error."""

    def __init__(self, work: Work[T], bulk: bool, exclusive: bool) -> None:
        self.work = work
        self.bulk = bulk or exclusive
        self.exclusive = exclusive
        self.turn: ThreadEvent | None = None  # set when the entry is written, or is the next to write
        self.done = False
        self.value: T
        self.error: BaseException | None = None
        self.events: list[Event] = []


class CommitQueue:
    """Runs all changes of the database. Calls `publish` with the events of each work after its commit."""

    def __init__(self, database: Database, publish: Callable[[list[Event]], None], busy_timeout_s: float) -> None:
        self._busy_timeout_s = busy_timeout_s
        self._publish = publish
        self._lock = new_lock()
        self._waiting: deque[Entry[Any]] = deque()
        self._busy = False
        self._yields = has_event_loop()
        self._writer = _Writer(database)

    def run(self, work: Work[T], bulk: bool = False, exclusive: bool = False) -> T:
        """Calls work(transaction), in a transaction that other works may share, and returns its value after the commit.
        An exception of the work undoes its changes and is raised. DatabaseBusy if the database fails.

        The work may be called more than once, and must change nothing outside the transaction. If the class of the
        work has a method `together(transaction, works)`, that is called first, with all such works of the transaction.

        `bulk`: it takes long. `exclusive`: no other server process writes at the same time; for rows that other works
        read, such as lifetimes.
        """
        entry = Entry(work, bulk, exclusive)
        with self._lock:
            first, self._busy = not self._busy, True
            if not first:
                entry.turn = new_event()
            self._waiting.append(entry)
        while entry.turn is not None and not entry.turn.wait(self._busy_timeout_s):
            self._give_up(entry)
        if not entry.done:
            self._write(entry)
        if entry.error is not None:
            raise entry.error
        if entry.events:
            self._publish(entry.events)
        return entry.value

    @property
    def busy(self) -> bool:
        """Whether a work is being written or waits."""
        return self._busy

    def close(self) -> None:
        """Closes the connection."""
        self._writer.drop()

    def _give_up(self, entry: Entry[Any]) -> None:
        """Removes an entry from the queue, before any of its work, if the database did not respond during its wait."""
        silent = self._writer.silent_s >= self._busy_timeout_s
        with self._lock:
            if silent and entry in self._waiting and entry.turn is not None and not entry.turn.is_set():
                self._waiting.remove(entry)
                raise DatabaseBusy("The database has not responded for some seconds; try again.")

    def _write(self, own: Entry[Any]) -> None:
        """Writes a batch of the waiting entries, then wakes the first of the others."""
        arrived = 0
        while self._yields and arrived < len(self._waiting) < MAX_TOGETHER:  # as long as more requests arrive
            arrived = len(self._waiting)
            run_ready()
        batch = self._take()
        try:
            self._commit(batch)
        except BaseException:
            for entry in batch:
                entry.error = entry.error or DatabaseBusy("The write was interrupted; try again.")
            raise
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
                if following is not None and following.turn is not None:
                    following.turn.set()  # under the lock, so that the entry does not give up now
            for entry in batch:
                entry.done = True
                if entry is not own and entry.turn is not None:
                    entry.turn.set()

    def _take(self) -> list[Entry[Any]]:
        with self._lock:
            batch = [self._waiting.popleft()]
            while not batch[0].bulk and self._waiting and not self._waiting[0].bulk and len(batch) < MAX_TOGETHER:
                batch.append(self._waiting.popleft())
            return batch

    def _commit(self, batch: list[Entry[Any]]) -> None:
        """Sets a value or an error in every entry."""
        alone, give_up = batch, time.monotonic() + self._busy_timeout_s
        try:
            self._writer.run(batch, len(batch) == 1)
            alone = [entry for entry in batch if isinstance(entry.error, NeedsAlone)]
        except RunEachAlone:
            pass  # all of it is undone
        except (Unavailable, *DATABASE_FAILS, *COLLISIONS) as error:
            self._fail(batch, error)
            return
        for number, entry in enumerate(alone if len(batch) > 1 else []):
            entry.error = None
            if time.monotonic() > give_up:
                self._fail(alone[number:], DatabaseBusy("The database is slow or locked; try again."))
                return
            try:
                self._writer.run([entry], True)
            except DatabaseBusy as error:
                self._fail(alone[number:], error)
                return
            except (OutcomeUnknown, *DATABASE_FAILS, *COLLISIONS) as error:
                self._fail([entry], error)

    def _fail(self, entries: list[Entry[Any]], error: BaseException) -> None:
        if isinstance(error, OutcomeUnknown):
            log.error("the database was lost in a commit: %s", str(error.__cause__).partition("\n")[0])
            self._writer.drop()
        elif not isinstance(error, (DatabaseBusy, DatabaseLost)):
            log.error("the database failed: %s: %s", type(error).__name__, str(error).partition("\n")[0])
            self._writer.drop()
            error = self._writer.database.failure("The database could not store this now; try again.")
        for entry in entries:
            entry.error = error


class _Writer:
    """Runs the transactions, one at a time, on the only connection that writes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._connection: Connection | None = None
        self._ended = 0.0
        self._has_event_loop = has_event_loop()
        self._commit_s = 1.0  # mean of recent commits; slow until measured

    @property
    def silent_s(self) -> float:
        """The time since the end of the last transaction; 0 during a transaction with many rows."""
        connection = self._connection
        return 0.0 if connection is not None and connection.long else time.monotonic() - self._ended

    def run(self, batch: list[Entry[Any]], alone: bool) -> None:
        """Writes a batch in one transaction; sets a value or an error in every entry. `alone`: a single entry, which
        may wait for locks and be retried. Raises the exception that caused a rollback."""
        for more in reversed(range(TRIES if alone else 1)):
            try:
                if self.database.dialect.blocks or batch[0].bulk:
                    run_in_thread(self._transact, batch, alone, lambda work: work())
                else:
                    self._transact(batch, alone, run_in_thread)
                return
            except COLLISIONS:  # the database rolled it back in favour of another transaction
                if not more:
                    raise

    def _transact(self, batch: list[Entry[Any]], alone: bool, run_blocking: BlockingRunner) -> None:
        """Runs one transaction for the batch. `run_blocking` calls functions that may wait."""
        connection = self._begin(run_blocking, batch[0].exclusive)
        connection.long = batch[0].bulk
        try:
            transaction = Transaction(connection, alone)
            self._prepare(batch, transaction)
            shared = transaction.events
            keep = [self._call(entry, transaction, alone) for entry in batch]
            if shared:  # one request publishes the events of all reports that were completed together
                next(entry for entry, kept in zip(batch, keep, strict=True) if kept).events[:0] = shared
            if any(keep) and transaction.changes:
                transaction.flush()
                self._end(connection, run_blocking)
            else:
                connection.rollback()
            self._ended = time.monotonic()  # before `long` is reset: waiting requests must not give up
        except BaseException:
            try:
                connection.rollback()
            except DRIVER_ERRORS:
                self.drop()
            raise
        finally:
            connection.long = False

    def _begin(self, run_blocking: BlockingRunner, exclusive: bool) -> Connection:
        """Begins a transaction and returns its connection; reconnects if the connection is lost."""
        previous, self._connection = self._connection, self._connection or self.database.connect()
        self._connection.long = False
        try:
            if not self._connection.try_begin():
                run_blocking(partial(self._connection.begin, exclusive))
        except DATABASE_FAILS as error:
            self.drop()
            if previous is None or not previous.dialect.reconnects or isinstance(error, Silent):
                raise
            self._connection = self.database.connect()
            run_blocking(partial(self._connection.begin, exclusive))
        return self._connection

    def _end(self, connection: Connection, run_blocking: BlockingRunner) -> None:
        def commit() -> None:
            begun = time.perf_counter()
            connection.commit()
            self._commit_s += (time.perf_counter() - begun - self._commit_s) / 8

        try:
            commit() if self._commit_s < QUICK_S or not self._has_event_loop else run_blocking(commit)
        except (DatabaseLost, *DATABASE_FAILS) as error:
            if connection.dialect.may_be_committed(error):
                raise OutcomeUnknown(
                    "The database failed during the commit, so the change may be stored or not. Send the request"
                    " again with the same claim token, or check the job."
                ) from error
            raise

    @staticmethod
    def _prepare(batch: list[Entry[Any]], transaction: Transaction) -> None:
        """Calls together() of each class of works that has it."""
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
        """Runs one work; returns whether its changes are kept."""
        before = transaction.changes
        transaction.events = entry.events = []
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

    def drop(self) -> None:
        """Closes the connection, which may be broken."""
        connection, self._connection = self._connection, None
        if connection:
            try:
                connection.close()
            except DRIVER_ERRORS:
                log.warning("a broken connection could not be closed")
