"""Celery: four processes of its prefork pool, acknowledging late (otherwise a killed worker loses its jobs)."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from celery import Celery
from redis import Redis

from bench.databases import redis
from bench.race import time_until_empty_s
from bench.servers import ROOT
from bench.system import WORKERS, System

QUEUE, BROKER = "bench", "BENCH_BROKER"
app = Celery("bench", broker=os.environ.get(BROKER))
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=128,  # its documentation recommends this for many short tasks
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task
def noop() -> None:
    """The job."""


def drain(folder: Path, jobs: int) -> float:
    """Starts the worker with an idle queue, then makes it consume the full one."""
    with redis(folder) as url:
        app.conf.broker_url = url
        with app.producer_pool.acquire(block=True) as producer:
            for _ in range(jobs):
                noop.apply_async(queue=QUEUE, producer=producer)
        command = ["celery", "-A", __name__, "worker", "-P", "prefork", "-c", str(WORKERS), "-Q", "idle", "-l", "ERROR"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        worker = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=os.environ | {BROKER: url})
        try:
            return _drain_s(Redis.from_url(url), jobs)
        finally:
            worker.kill()


def _drain_s(broker: Any, jobs: int) -> float:
    for _ in range(30):
        if app.control.ping(timeout=1):
            break
    else:
        raise RuntimeError("the worker does not respond")
    app.control.add_consumer(QUEUE)
    while broker.llen(QUEUE) == jobs:  # it may sleep for a second before it receives the command
        time.sleep(0.001)
    # Prefetched jobs stay under `unacked` until it is acknowledged.
    return time_until_empty_s(lambda: broker.llen(QUEUE) + broker.hlen("unacked"))


SYSTEMS = [System(__name__, "Celery", "celery", "Redis", "no: Redis without append-only file", 4_000, drain)]
