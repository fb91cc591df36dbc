"""Huey: a consumer with four worker processes. It deletes a job when it takes it, so a killed worker loses its job."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from huey import Huey, RedisHuey, SqliteHuey

from bench.databases import redis
from bench.race import time_until_empty_s
from bench.system import WORKERS, System


def noop() -> None:
    """The job."""


def enqueue(huey: Huey, jobs: int) -> None:
    """Enqueues this many jobs."""
    task = huey.task(name="noop")(noop)
    for _ in range(jobs):
        task()


def consume_s(huey: Huey) -> float:
    """Seconds from the consumer's start, which forks its workers, until the queue is empty."""
    consumer = huey.create_consumer(workers=WORKERS, worker_type="process", periodic=False)
    consumer.start()
    try:
        return time_until_empty_s(huey.pending_count)
    finally:
        consumer.stop(graceful=True)


def drain_sqlite(fsync: bool, folder: Path, jobs: int) -> float:
    """Drains on SQLite: enqueues without fsync, which is faster, and drains with or without it."""
    file = str(folder / "huey.db")
    enqueue(SqliteHuey(filename=file, fsync=False), jobs)
    huey = SqliteHuey(filename=file, fsync=fsync)
    huey.task(name="noop")(noop)
    return consume_s(huey)


def drain_redis(folder: Path, jobs: int) -> float:
    """Drains on Redis."""
    with redis(folder) as url:
        huey = RedisHuey(url=url)
        enqueue(huey, jobs)
        return consume_s(huey)


def _system(storage: str, durable: str, jobs: int, drain: Callable[[Path, int], Any]) -> System:
    return System(__name__, f"Huey, {storage}", "huey", storage, durable, jobs, drain)


SYSTEMS = [
    _system("SQLite with fsync", "yes", 15_000, partial(drain_sqlite, True)),
    _system("SQLite without fsync", "no: not after loss of power", 40_000, partial(drain_sqlite, False)),
    _system("Redis", "no: Redis without append-only file", 25_000, drain_redis),
]
