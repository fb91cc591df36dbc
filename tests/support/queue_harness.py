"""A commit queue on a real database, with concurrent callers."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from jobserver.core.settings import Settings
from jobserver.store import location
from jobserver.store.connection import Connection
from jobserver.store.database import Database, engine_options
from jobserver.store.group_commit import CommitQueue
from jobserver.store.schema import prepare
from jobserver.store.transaction import Transaction
from tests.support.until import until

ADD, GIVE_UP_S = "INSERT INTO done (k) VALUES (:k)", 20


class Counting(Database):
    """A database whose commits are counted."""

    commits = 0

    def connect(self) -> Connection:
        """Opens a new connection for the caller."""
        connection = super().connect()
        commit = connection.commit

        def counted() -> None:
            commit()
            Counting.commits += 1

        connection.commit = counted
        return connection


class QueueHarness:
    """A commit queue with a table, concurrent callers, and the published events."""

    def __init__(self, folder: Path, database_uri: str, busy_timeout_s: float = GIVE_UP_S) -> None:
        settings = Settings(instance=str(folder), database_uri=database_uri, busy_timeout_s=busy_timeout_s)
        prepare(settings, "key")
        self.uri = database_uri
        self.database = Counting(create_engine(location.database_uri(settings), **engine_options(settings)), settings)
        self.published: list[tuple[int, bool]] = []  # each note, and whether other connections could read its row
        self.writer = CommitQueue(self.database, self._record, busy_timeout_s)
        self.pool = ThreadPoolExecutor(220)
        self._reading = threading.Lock()
        self._reader = self.database.connect()
        self._reader.driver.execute("CREATE TABLE done (k INTEGER PRIMARY KEY CHECK (k >= 0))")
        Counting.commits = 0

    def _record(self, notes: list[int]) -> None:
        rows = self.rows()
        self.published += [(note, note in rows) for note in notes]

    def rows(self) -> list[int]:
        """The committed rows."""
        with self._reading:
            return [row[0] for row in self._reader.all("SELECT k FROM done ORDER BY k")]

    def close(self) -> None:
        """Closes everything."""
        self.pool.shutdown(cancel_futures=True)
        self.writer.close()
        self._reader.close()

    def run(self, work: Callable[[Transaction], Any], bulk: bool = False) -> "Future[Any]":
        """Runs a caller in a new thread."""
        return self.pool.submit(self.writer.run, work, bulk)

    def together(self, *works: Callable[[Transaction], Any], bulk: tuple[int, ...] = ()) -> list["Future[Any]"]:
        """Queues callers in this order while the writer is busy. Returns their outcomes when all are done."""
        entered, go = threading.Event(), threading.Event()

        def first(tx: Transaction) -> None:
            entered.set()
            assert go.wait(GIVE_UP_S)

        busy = self.run(first, bulk=True)  # bulk work may take long
        assert entered.wait(GIVE_UP_S)
        futures = []
        for number, work in enumerate(works):
            futures.append(self.run(work, number in bulk))
            until(lambda: len(self.writer._waiting) == len(futures), within_s=GIVE_UP_S, pause_s=0.0005)
        go.set()
        busy.result(GIVE_UP_S)
        for future in futures:
            future.exception(GIVE_UP_S)
        return futures


def add(k: int, error: BaseException | None = None) -> Callable[[Transaction], int]:
    """Adds a row with a note, then raises `error` if given."""

    def work(tx: Transaction) -> int:
        tx.events.append(k)
        tx.run(ADD, k=k)
        if error:
            raise error
        return k

    return work
