"""dask.distributed: a scheduler and four worker processes of one thread."""

import time
from pathlib import Path

from distributed import Client, Event, LocalCluster, wait

from bench.system import WORKERS, System


def noop(_number: int, _started: object) -> None:
    """The job."""


def wait_for_start() -> None:
    """Waits for `go`; every job depends on it."""
    Event("go").wait()


def drain(folder: Path, jobs: int) -> float:
    """Seconds from `go` until the client has every result."""
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, local_directory=str(folder)
        ) as cluster,
        Client(cluster) as client,
    ):
        started = client.submit(wait_for_start)
        futures = client.map(noop, range(jobs), _begun=started)
        go = Event("go", client=client)
        time.sleep(1)  # until the scheduler knows all jobs
        at = time.perf_counter()
        go.set()
        wait(futures)
        return time.perf_counter() - at


SYSTEMS = [System(__name__, "dask.distributed", "distributed", "memory", "no: in the scheduler's memory", 2_000, drain)]
