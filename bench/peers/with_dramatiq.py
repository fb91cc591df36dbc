"""Dramatiq: four worker processes, each with the eight threads that it comes with."""

import threading
from collections.abc import Callable
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.databases import redis
from bench.gate import race_s
from bench.system import WORKERS, System


def declared(url: str) -> tuple[RedisBroker, dramatiq.Actor]:
    """The broker, and the job as its actor."""
    broker = RedisBroker(url=url)
    dramatiq.set_broker(broker)
    return broker, dramatiq.actor(lambda: None, actor_name="noop", broker=broker)


def ready(url: str) -> Callable[[], object]:
    """A worker, which works until it is killed."""
    worker = dramatiq.Worker(declared(url)[0])

    def work() -> None:
        worker.start()
        threading.Event().wait()

    return work


def drain(folder: Path, jobs: int) -> float:
    """Seconds until every message is acknowledged: until then it counts."""
    with redis(folder) as url:
        broker, actor = declared(url)
        for _ in range(jobs):
            actor.send()
        return race_s(ready, (url,), WORKERS, left=lambda: broker.do_qsize(actor.queue_name))


SYSTEMS = [System(__name__, "Dramatiq", "dramatiq", "Redis", "no: Redis without append-only file", 5_000, drain)]
