"""The system under test: a database, its servers, and the faults that can be applied to them."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.faults.history import final
from tests.faults.history.final import Final
from tests.faults.history.paths import LAST
from tests.faults.history.preload import Steering, built
from tests.support.full_disk import FULL_AT_COMMIT, NO_MORE
from tests.support.here import run_here
from tests.support.postgresql import make_postgresql_database, running_postgresql, stop_at_once
from tests.support.server import Server
from tests.support.snapshot import opened, rows
from tests.support.wire import Wire

RESTARTS_S = 60
SETTINGS = {"secret_key": "the same for all", "busy_timeout_s": "2", "drain_s": "2"}
ENDS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


class Served(Server):
    """A server with the preloaded library that moves its clock and breaks its flushes, if available."""

    def __init__(self, folder: Path, uri: str, environment: dict[str, str], library: Path | None) -> None:
        super().__init__(folder, uri, **SETTINGS)
        self._more = environment
        self.steering = Steering(library, folder / "steering") if library else None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its process."""
        return super().environment | self._more | (self.steering.environment if self.steering else {})

    def steer(self, **numbers: int) -> None:
        """Moves its clock, or makes its flushes fail."""
        assert self.steering is not None
        self.steering.set(**numbers)

    def limit(self, size: int) -> None:
        """Limits the size of its files: longer writes fail as on a full disk, also in the middle of a page."""
        with contextlib.suppress(psutil.NoSuchProcess):
            assert self.process is not None
            psutil.Process(self.process.pid).rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))

    def signal(self, number: int) -> None:
        """Stops or continues it."""
        assert self.process is not None
        self.process.send_signal(number)

    def start(self) -> "Served":
        """Starts it; repeats this while the database is unavailable."""
        give_up = time.monotonic() + RESTARTS_S
        while True:
            try:
                super().start()
                return self
            except RuntimeError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)


class Site:
    """Servers on one database: SQLite, or a separate PostgreSQL behind a Wire."""

    def __init__(self, folder: Path, postgresql: Any, servers: int, environment: dict[str, str]) -> None:
        self.postgresql = postgresql
        self.wire: Wire | None = None
        self.uri = ""
        if postgresql:
            self.uri = make_postgresql_database(postgresql.get_uri("postgres"))
            self.wire = Wire(self.uri)
        self.library = built(folder)
        self.servers: list[Served] = []
        for number in range(servers):
            own = folder / f"server-{number}"
            own.mkdir()
            self.servers.append(Served(own, self.wire.uri if self.wire else "", environment, self.library))

    def start(self) -> None:
        """Starts all servers."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Served.start, self.servers))

    def close(self) -> None:
        """Kills all servers."""
        for server in self.servers:
            server.kill()
        if self.wire:
            self.wire.close()

    def run(self, *statements: str) -> None:
        """Runs statements on PostgreSQL without the wire; repeats while it is unavailable or busy."""
        give_up = time.monotonic() + RESTARTS_S
        while True:
            try:
                with psycopg.connect(self.uri, autocommit=True) as connection:
                    connection.execute("SET lock_timeout = 1000")
                    for statement in statements:
                        connection.execute(statement)
                return
            except psycopg.Error:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def fill_disk(self) -> None:
        """Makes each commit on PostgreSQL that changes a job fail as on a full disk."""
        self.run(NO_MORE, *FULL_AT_COMMIT)

    def free_disk(self) -> None:
        """Ends the full disk."""
        self.run(NO_MORE)

    def end_connections(self) -> None:
        """Makes PostgreSQL end every connection."""
        self.run(ENDS)

    def stop_at_once(self, for_s: float) -> None:
        """Crashes PostgreSQL and starts it again."""
        stop_at_once(self.postgresql)
        time.sleep(for_s)
        self.postgresql.ensure_postgres_running()

    def left(self) -> int:
        """The number of jobs that are not done, by a recount."""
        found: int = rows(self.servers[0], f"SELECT COUNT(*) FROM job WHERE jobstage < {LAST}")[0][0]
        return found

    def final(self) -> Final:
        """The current state of the database, and the findings of `db check`."""
        with opened(self.servers[0]) as database:
            found = final.read(database.driver, bool(self.uri))
        checked = run_here(self.servers[0], "db", "check")
        if checked.returncode:
            found.problems.append(f"{checked.stdout} {checked.stderr}".strip())
        return found


@contextlib.contextmanager
def opened_site(folder: Path, database: str, servers: int, environment: dict[str, str] | None = None) -> Iterator[Site]:
    """A site with running servers."""
    with contextlib.ExitStack() as stack:
        postgresql = stack.enter_context(running_postgresql()) if database == "postgresql" else None
        site = Site(folder, postgresql, servers, environment or {})
        stack.callback(site.close)
        site.start()
        yield site
