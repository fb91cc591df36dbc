"""job_manager as a system to compare: its server, and four processes of the client's Worker with empty jobs."""

from collections.abc import Callable
from pathlib import Path

from bench.databases import postgresql
from bench.race import race_s
from bench.servers import SECRET, JsonClient, fill, server
from bench.system import WORKERS, System


def prepare(port: int) -> Callable[[], object]:
    """A Worker that works until no job is left."""
    from client import JobClient, Worker

    return Worker(JobClient(f"http://127.0.0.1:{port}", int(SECRET)), 0, lambda _job: None, wait_s=0).run


def drain(folder: Path, jobs: int, uri: str = "") -> float:
    """Seconds from the start signal until the last worker learned that no job remains."""
    with server(folder, DATABASE_URI=uri) as port:
        fill(port, jobs, lifetimes="0/10")
        seconds = race_s(prepare, (port,), WORKERS)
        states = JsonClient(port)("/get")
        if states["done"] != jobs:
            raise RuntimeError(f"{states['done']} of {jobs} jobs are done")
        return seconds


def drain_on_postgresql(folder: Path, jobs: int) -> float:
    """Drains on PostgreSQL."""
    with postgresql() as uri:
        return drain(folder, jobs, uri)


SQLITE, POSTGRESQL = "job_manager, SQLite", "job_manager, PostgreSQL"
SYSTEMS = [
    System(__name__, SQLITE, "", "SQLite, synchronous=FULL", "yes", 3_000, drain),
    System(__name__, POSTGRESQL, "", "PostgreSQL", "yes", 3_000, drain_on_postgresql),
]
