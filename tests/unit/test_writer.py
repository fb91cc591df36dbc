"""Many requests share one commit, and each has its own atomic outcome."""

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from jobserver.core.errors import DatabaseBusy, NameTaken, Unavailable
from jobserver.store.group_commit import MAX_TOGETHER, Entry
from jobserver.store.transaction import NeedsAlone, Transaction
from tests.support.queue_harness import GIVE_UP_S, Counting, QueueHarness, add

BUSY_S = 0.3


def refuse(_tx: Transaction) -> None:
    """Refuses before any change."""
    raise NameTaken("no")


@pytest.fixture
def harness(database_uri: str, tmp_path: Path) -> Iterator[QueueHarness]:
    """A queue harness on a new database."""
    with closing(QueueHarness(tmp_path, database_uri)) as new_harness:
        yield new_harness


@pytest.fixture
def impatient(database_uri: str, tmp_path: Path) -> Iterator[QueueHarness]:
    """A queue harness with a short timeout."""
    with closing(QueueHarness(tmp_path, database_uri, BUSY_S)) as new_harness:
        yield new_harness


def test_concurrent_requests_share_a_commit(harness: QueueHarness) -> None:
    futures = harness.together(*[add(k) for k in range(200)])
    assert [future.result() for future in futures] == list(range(200))
    assert harness.rows() == list(range(200))
    assert Counting.commits == math.ceil(200 / MAX_TOGETHER)


def test_a_failed_request_is_rolled_back_without_harm_to_others(harness: QueueHarness) -> None:
    futures = harness.together(
        add(0), add(1, NameTaken("late")), add(2), refuse, add(3, ValueError("a fault")), add(4), add(-1), add(5)
    )
    assert [repr(future.exception()) if future.exception() else future.result() for future in futures[:6]] == [
        0, "NameTaken('late')", 2, "NameTaken('no')", "ValueError('a fault')", 4
    ]  # fmt: skip
    assert type(futures[6].exception()).__name__ in ("IntegrityError", "CheckViolation")
    assert futures[7].result() == 5
    assert harness.rows() == [0, 2, 4, 5]
    assert sorted(harness.published) == [(0, True), (2, True), (4, True), (5, True)]


def test_an_early_refusal_causes_no_second_commit(harness: QueueHarness) -> None:
    futures = harness.together(add(0), refuse, add(1), refuse, add(2))
    assert [type(future.exception()) for future in futures] == [type(None), NameTaken] * 2 + [type(None)]
    assert (harness.rows(), Counting.commits) == ([0, 1, 2], 1)


def test_a_request_without_changes_is_not_committed(harness: QueueHarness) -> None:
    futures = harness.together(*[lambda tx: tx.all("SELECT COUNT(*) FROM done")[0][0]] * 5, refuse)
    assert [future.result() for future in futures[:5]] == [0] * 5
    assert Counting.commits == 0


def test_events_are_published_once_and_after_the_commit(harness: QueueHarness) -> None:
    harness.together(*[add(k, ValueError("a fault") if k % 5 == 4 else None) for k in range(20)])
    assert sorted(harness.published) == [(k, True) for k in range(20) if k % 5 != 4]


def test_work_that_must_be_alone_is_called_again_alone(harness: QueueHarness) -> None:
    seen: list[tuple[bool, list[int]]] = []

    def work(tx: Transaction) -> str:
        seen.append((tx.alone, [row[0] for row in tx.all("SELECT k FROM done ORDER BY k")]))
        if not tx.alone:
            raise NeedsAlone
        return add(7)(tx) and "done"

    futures = harness.together(add(0), work, add(1))
    assert futures[1].result() == "done"
    assert seen == [(False, [0]), (True, [0, 1])]  # after the others' commit
    assert (harness.rows(), Counting.commits) == ([0, 1, 7], 2)


def test_bulk_work_does_not_share_a_commit(harness: QueueHarness) -> None:
    transactions: list[Transaction] = []

    def add_and_note(k: int) -> Callable[[Transaction], int]:
        return lambda tx: transactions.append(tx) or add(k)(tx)

    harness.together(*[add_and_note(k) for k in range(6)], bulk=(2, 3))
    assert [tx.alone for tx in transactions] == [False, False, True, True, False, False]
    assert len(set(map(id, transactions))) == 4
    assert (harness.rows(), Counting.commits) == ([0, 1, 2, 3, 4, 5], 4)


def test_an_interrupted_writer_leaves_no_request_waiting(harness: QueueHarness) -> None:
    futures = harness.together(add(0), add(1, KeyboardInterrupt()), add(2))
    errors = [future.exception() for future in futures]
    assert {type(error) for error in errors} == {KeyboardInterrupt, DatabaseBusy}
    assert harness.rows() == []
    assert harness.writer.run(add(3)) == 3
    assert harness.published == [(3, True)]


def test_requests_that_waited_for_bulk_work_do_not_time_out(harness: QueueHarness) -> None:
    def wait_past_timeout(_tx: Transaction) -> list[bool]:
        return [gives_up(entry) for entry in list(harness.writer._waiting)]

    def gives_up(entry: Entry[int]) -> bool:
        try:
            harness.writer._give_up(entry)
        except DatabaseBusy:
            harness.writer._waiting.append(entry)  # otherwise it would block permanently
            return True
        return False

    futures = harness.together(wait_past_timeout, *[add(k) for k in range(MAX_TOGETHER)])
    assert futures[0].result() == [False]  # only the last one, which is queued for the next commit
    assert [future.result() for future in futures[1:]] == list(range(MAX_TOGETHER))


def test_only_successful_requests_are_committed(harness: QueueHarness) -> None:
    def call(number: int) -> list[int]:
        rng, returned = random.Random(number), []
        for k in range(number * 100, number * 100 + 25):
            error = rng.choice([None, None, None, NameTaken("no"), ValueError("a fault")])
            if error:
                with pytest.raises(type(error)):
                    harness.writer.run(add(k, error))
            else:
                returned.append(harness.writer.run(add(k), bulk=rng.random() < 0.1))
        return returned

    returned = [k for part in harness.pool.map(call, range(12)) for k in part]
    assert harness.rows() == sorted(returned)
    assert sorted(harness.published) == [(k, True) for k in sorted(returned)]


@contextmanager
def locked(harness: QueueHarness) -> Iterator[None]:
    """Locks the table from another connection."""
    with closing(harness.database.connect()) as other:
        other.begin()
        other.driver.execute(
            "LOCK TABLE done IN ACCESS EXCLUSIVE MODE" if other.dialect.name == "postgresql" else "SELECT 1"
        )
        yield
        other.rollback()


def test_the_writer_recovers_after_a_locked_database(impatient: QueueHarness) -> None:
    with locked(impatient):
        start_s = time.monotonic()
        futures = [impatient.run(add(k)) for k in range(10)]
        assert {type(future.exception(GIVE_UP_S)) for future in futures} == {DatabaseBusy}
        assert time.monotonic() - start_s < 10 * BUSY_S, "the requests waited one after the other"
    assert [impatient.writer.run(add(k)) for k in range(3)] == [0, 1, 2]
    assert (impatient.rows(), sorted(impatient.published)) == ([0, 1, 2], [(k, True) for k in range(3)])


def test_a_missing_table_affects_its_users_only(harness: QueueHarness) -> None:
    futures = harness.together(add(0), lambda tx: tx.run("INSERT INTO gone (k) VALUES (:k)", k=1), add(1))
    assert [futures[0].result(), futures[2].result()] == [0, 1]
    assert futures[1].exception() is not None
    assert harness.rows() == [0, 1]


@pytest.mark.parametrize("database_uri", ["postgresql"], indirect=True)
@pytest.mark.parametrize("moment", ["idle", "at work", "at the end"])
def test_a_dropped_connection_is_replaced(harness: QueueHarness, moment: str) -> None:
    harness.writer.run(add(0))

    def backend(tx: Transaction) -> int:
        return int(tx.all("SELECT pg_backend_pid()")[0][0])

    def drop(own: int) -> None:
        with psycopg.connect(harness.uri, autocommit=True) as other:
            assert other.execute("SELECT pg_terminate_backend(%s, 5000)", [own]).fetchall() == [(True,)]

    def dropping(tx: Transaction) -> None:
        if moment == "at the end":
            add(1)(tx)
        drop(backend(tx))
        if moment == "at work":
            add(1)(tx)

    if moment == "idle":
        drop(harness.writer.run(backend))
        futures = [harness.run(add(2)), harness.run(add(3))]
        assert [future.result(GIVE_UP_S) for future in futures] == [2, 3]  # without an error for the callers
    else:
        futures = harness.together(add(2), add(3), dropping)
        assert isinstance(futures[2].exception(), Unavailable)
    for future in futures:
        assert isinstance(future.exception(), Unavailable | None)
    returned = [0, *(future.result() for future in futures if future.exception() is None)]
    assert [harness.writer.run(add(k)) for k in (7, 8)] == [7, 8]
    assert harness.rows() == sorted([*returned, 7, 8])


def test_a_request_that_waits_too_long_fails_and_changes_nothing(impatient: QueueHarness) -> None:
    entered, go = threading.Event(), threading.Event()

    def block(_tx: Transaction) -> None:
        entered.set()
        assert go.wait(GIVE_UP_S)

    busy = impatient.run(block)
    assert entered.wait(GIVE_UP_S)
    futures = [impatient.run(add(k)) for k in range(5)]
    assert {type(future.exception(GIVE_UP_S)) for future in futures} == {DatabaseBusy}
    go.set()
    busy.result(GIVE_UP_S)
    assert impatient.writer.run(add(7)) == 7
    assert impatient.rows() == [7]
