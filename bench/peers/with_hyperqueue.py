"""HyperQueue: a server and four workers, from its wheel; each job runs the program /bin/true."""

import logging
import time
from pathlib import Path

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

from bench.system import WORKERS, System


def drain(folder: Path, jobs: int) -> float:
    """Seconds from the workers' start, which takes milliseconds, until the client knows that all jobs are done."""
    logging.disable(logging.INFO)
    with LocalCluster(str(folder / "server")) as cluster:
        client = cluster.client()
        job = Job()
        for _ in range(jobs):
            job.program(["/bin/true"], stdout=None, stderr=None)
        submitted = client.submit(job)
        started = time.perf_counter()
        for _ in range(WORKERS):
            cluster.start_worker(WorkerConfig(cores=1))
        client.wait_for_jobs([submitted])
        return time.perf_counter() - started


SYSTEMS = [System(__name__, "HyperQueue", "hyperqueue", "memory", "no: in the server's memory", 1_500, drain)]
