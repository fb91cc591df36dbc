"""Dramatiq: four processes of one thread, as many workers as the others have; and of eight threads, as it comes."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.databases import redis
from bench.gate import race_s
from bench.system import MORE_WORKERS, WORKERS, System


def declared(url: str) -> tuple[RedisBroker, dramatiq.Actor]:
    """The broker, and the job as its actor."""
    broker = RedisBroker(url=url)
    dramatiq.set_broker(broker)
    return broker, dramatiq.actor(lambda: None, actor_name="noop", broker=broker)


def ready(url: str, threads: int) -> Callable[[], object]:
    """A worker, which works until it is killed."""
    worker = dramatiq.Worker(declared(url)[0], worker_threads=threads)

    def work() -> None:
        worker.start()
        threading.Event().wait()

    return work


def drain(threads: int, folder: Path, jobs: int) -> float:
    """Seconds until every message is acknowledged: until then it counts."""
    with redis(folder) as url:
        broker, actor = declared(url)
        for _ in range(jobs):
            actor.send()
        return race_s(ready, (url, threads), WORKERS, left=lambda: broker.do_qsize(actor.queue_name))


def _system(name: str, storage: str, threads: int, jobs: int) -> System:
    durable = "no: Redis without append-only file"
    return System(__name__, name, "dramatiq", storage, durable, jobs, partial(drain, threads))


SYSTEMS = [
    _system("Dramatiq", "Redis; 4 × 1 thread", 1, 4_000),
    _system(MORE_WORKERS, "Redis; 4 × 8 threads", 8, 8_000),
]
