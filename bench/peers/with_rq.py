"""RQ: SimpleWorkers, which run jobs without a fork for each; its documentation calls them the fastest."""

import logging
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from rq import Queue, SimpleWorker

from bench.databases import redis
from bench.race import race_s
from bench.system import WORKERS, System


def noop() -> None:
    """The job."""


def prepare(url: str) -> Callable[[], object]:
    """A worker that ends when the queue is empty."""
    logging.disable(logging.WARNING)  # it logs two lines for each job
    connection = Redis.from_url(url)
    worker = SimpleWorker([Queue("bench", connection=connection)], connection=connection)
    return lambda: worker.work(burst=True, logging_level="ERROR")


def drain(folder: Path, jobs: int) -> float:
    """Drains without keeping results, which saves a write."""
    with redis(folder) as url:
        queue = Queue("bench", connection=Redis.from_url(url))
        queue.enqueue_many([Queue.prepare_data(noop, result_ttl=0) for _ in range(jobs)])
        started = queue.started_job_registry
        seconds = race_s(prepare, (url,), WORKERS, remaining=lambda: queue.count + started.get_job_count(cleanup=False))
        if failed := len(queue.failed_job_registry):
            raise RuntimeError(f"{failed} jobs have failed")
        return seconds


SYSTEMS = [System(__name__, "RQ", "rq", "Redis", "no: Redis without append-only file", 2_000, drain)]
