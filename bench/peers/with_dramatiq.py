"""Dramatiq: four processes of one thread, as many workers as the others have; and of eight threads, its default."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.databases import redis
from bench.race import race_s
from bench.system import MORE_WORKERS, WORKERS, System


def declare(url: str) -> tuple[RedisBroker, dramatiq.Actor]:
    """Creates the broker, and the job as its actor."""
    broker = RedisBroker(url=url)
    dramatiq.set_broker(broker)
    return broker, dramatiq.actor(lambda: None, actor_name="noop", broker=broker)


def prepare(url: str, threads: int) -> Callable[[], object]:
    """A worker that runs until it is killed."""
    worker = dramatiq.Worker(declare(url)[0], worker_threads=threads)

    def work() -> None:
        worker.start()
        threading.Event().wait()

    return work


def drain(threads: int, folder: Path, jobs: int) -> float:
    """Seconds until every message is acknowledged."""
    with redis(folder) as url:
        broker, actor = declare(url)
        for _ in range(jobs):
            actor.send()
        return race_s(prepare, (url, threads), WORKERS, remaining=lambda: broker.do_qsize(actor.queue_name))


def _system(name: str, storage: str, threads: int, jobs: int) -> System:
    durable = "no: Redis without append-only file"
    return System(__name__, name, "dramatiq", storage, durable, jobs, partial(drain, threads))


SYSTEMS = [
    _system("Dramatiq", "Redis; 4 × 1 thread", 1, 4_000),
    _system(MORE_WORKERS, "Redis; 4 × 8 threads", 8, 8_000),
]
