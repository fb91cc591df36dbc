"""Procrastinate: four worker processes on PostgreSQL."""

from collections.abc import Callable
from pathlib import Path

import psycopg
from procrastinate import App, BaseConnector, PsycopgConnector, SyncPsycopgConnector

from bench.databases import postgresql
from bench.race import race_s
from bench.system import WORKERS, System

CONCURRENCY = 20


def declare(connector: BaseConnector) -> App:
    """Creates the application, with the job as its task."""
    app = App(connector=connector)

    @app.task(name="noop")
    async def noop() -> None:
        """The job."""

    return app


def prepare(uri: str) -> Callable[[], object]:
    """A worker that ends when no job remains."""
    app = declare(PsycopgConnector(conninfo=uri))
    return lambda: app.run_worker(
        wait=False, concurrency=CONCURRENCY, listen_notify=False, install_signal_handlers=False
    )


def drain(_folder: Path, jobs: int) -> float:
    """Drains once."""
    with postgresql() as uri:
        with declare(SyncPsycopgConnector(conninfo=uri)).open() as app:
            app.schema_manager.apply_schema()
            app.tasks["noop"].batch_defer(*({} for _ in range(jobs)))
        seconds = race_s(prepare, (uri,), WORKERS)
        with psycopg.connect(uri) as connection:
            unfinished = connection.execute(
                "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'"
            ).fetchone()
        if unfinished != (0,):
            raise RuntimeError(f"{unfinished} jobs are not done")
        return seconds


SYSTEMS = [System(__name__, "Procrastinate", "procrastinate", "PostgreSQL", "yes", 2_000, drain)]
