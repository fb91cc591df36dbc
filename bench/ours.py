"""This server over HTTP, and four processes of the client's Worker, which do nothing with each job."""

from collections.abc import Callable
from pathlib import Path

from bench.databases import postgresql
from bench.gate import race_s
from bench.started import SECRET, Asker, fill, server
from bench.system import WORKERS, System


def ready(port: int) -> Callable[[], object]:
    """A Worker that works until no job is left."""
    from client import JobClient, Worker

    return Worker(JobClient(f"http://127.0.0.1:{port}", int(SECRET)), 0, lambda _job: None).run


def drain(folder: Path, jobs: int, uri: str = "") -> float:
    """Seconds from `go` until the last worker learned that no job remains."""
    with server(folder, DATABASE_URI=uri) as port:
        fill(port, jobs, lifetimes="0/10")
        seconds = race_s(ready, (port,), WORKERS)
        states = Asker(port)("/get")
        if states["done"] != jobs:
            raise RuntimeError(f"{states['done']} of {jobs} jobs are done")
        return seconds


def drain_on_postgresql(folder: Path, jobs: int) -> float:
    """The same on PostgreSQL."""
    with postgresql() as uri:
        return drain(folder, jobs, uri)


SQLITE, POSTGRESQL = "job_manager, SQLite", "job_manager, PostgreSQL"
SYSTEMS = [
    System(__name__, SQLITE, "", "SQLite, synchronous=FULL", "yes", 3_000, drain),
    System(__name__, POSTGRESQL, "", "PostgreSQL", "yes", 3_000, drain_on_postgresql),
]
