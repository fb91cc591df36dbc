"""The system under test: a database, its servers, and the faults that can be applied to them."""

import contextlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.faults.history import final
from tests.faults.history.final import Final
from tests.faults.history.parse_journal import milliseconds
from tests.faults.history.paths import LAST
from tests.faults.history.preload import ControlFile, compile_library
from tests.support.full_disk import FULL_AT_COMMIT, NO_MORE
from tests.support.postgresql import make_postgresql_database, running_postgresql, stop_at_once
from tests.support.postgresql_proxy import PostgresqlProxy
from tests.support.run_here import run_here
from tests.support.server import Server
from tests.support.snapshot import opened, rows

RESTARTS_S = 60
SETTINGS = {"secret_key": "the same for all", "busy_timeout_s": "2", "drain_s": "2", "grace_minutes": "0"}
EXTENDED = re.compile(r"after an outage .* not expire before (\S+)")
EXTENDED_MORE_MS = 5000  # lifetimes get that much more than leases
END_CONNECTIONS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


class FaultyServer(Server):
    """A server with the preloaded library that moves its clock and breaks its flushes, if available."""

    def __init__(self, folder: Path, uri: str, environment: dict[str, str], library: Path | None) -> None:
        super().__init__(folder, uri, **SETTINGS)
        self._variables = environment
        self.control_file = ControlFile(library, folder / "steering") if library else None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its process."""
        return super().environment | self._variables | (self.control_file.environment if self.control_file else {})

    def set_faults(self, **numbers: int) -> None:
        """Moves its clock, or makes its flushes fail."""
        assert self.control_file is not None
        self.control_file.set(**numbers)

    def limit(self, size: int) -> None:
        """Limits the size of its files: longer writes fail as on a full disk, also in the middle of a page."""
        with contextlib.suppress(psutil.NoSuchProcess):
            assert self.process is not None
            psutil.Process(self.process.pid).rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))

    def signal(self, number: int) -> None:
        """Stops or continues it."""
        assert self.process is not None
        self.process.send_signal(number)

    def start(self) -> "FaultyServer":
        """Starts it; repeats this while the database is unavailable."""
        give_up_at = time.monotonic() + RESTARTS_S
        while True:
            try:
                super().start()
                return self
            except RuntimeError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)


class System:
    """Servers on one database: SQLite, or a separate PostgreSQL behind a PostgresqlProxy."""

    def __init__(self, folder: Path, postgresql: Any, servers: int, environment: dict[str, str]) -> None:
        self.postgresql = postgresql
        self.database_proxy: PostgresqlProxy | None = None
        self.uri = ""
        if postgresql:
            self.uri = make_postgresql_database(postgresql.get_uri("postgres"))
            self.database_proxy = PostgresqlProxy(self.uri)
        self.library = compile_library(folder)
        self.servers: list[FaultyServer] = []
        for number in range(servers):
            server_folder = folder / f"server-{number}"
            server_folder.mkdir()
            self.servers.append(
                FaultyServer(
                    server_folder, self.database_proxy.uri if self.database_proxy else "", environment, self.library
                )
            )

    def start(self) -> None:
        """Starts all servers."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(FaultyServer.start, self.servers))

    def close(self) -> None:
        """Kills all servers."""
        for server in self.servers:
            server.kill()
        if self.database_proxy:
            self.database_proxy.close()

    def run(self, *statements: str) -> None:
        """Runs statements on PostgreSQL without the proxy; repeats while it is unavailable or busy."""
        give_up_at = time.monotonic() + RESTARTS_S
        while True:
            try:
                with psycopg.connect(self.uri, autocommit=True) as connection:
                    connection.execute("SET lock_timeout = 1000")
                    for statement in statements:
                        connection.execute(statement)
                return
            except psycopg.Error:
                if time.monotonic() > give_up_at:
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
        self.run(END_CONNECTIONS)

    def stop_at_once(self, for_s: float) -> None:
        """Crashes PostgreSQL and starts it again."""
        stop_at_once(self.postgresql)
        time.sleep(for_s)
        self.postgresql.ensure_postgres_running()

    def unfinished_jobs(self) -> int:
        """The number of jobs that are not done, by a recount."""
        result: int = rows(self.servers[0], f"SELECT COUNT(*) FROM job WHERE jobstage < {LAST}")[0][0]
        return result

    def final(self) -> Final:
        """The current state of the database, and the findings of `db check`."""
        with opened(self.servers[0]) as database:
            result = final.read(database.driver, bool(self.uri))
        texts = [text for server in self.servers for text in EXTENDED.findall(server.log.read_text())]
        result.extended_to = [milliseconds(text) + EXTENDED_MORE_MS for text in texts]
        checked = run_here(self.servers[0], "db", "check")
        if checked.returncode:
            result.problems.append(f"{checked.stdout} {checked.stderr}".strip())
        return result


@contextlib.contextmanager
def running_system(
    folder: Path, database: str, servers: int, environment: dict[str, str] | None = None
) -> Iterator[System]:
    """A system with running servers."""
    with contextlib.ExitStack() as stack:
        postgresql = stack.enter_context(running_postgresql()) if database == "postgresql" else None
        system = System(folder, postgresql, servers, environment or {})
        stack.callback(system.close)
        system.start()
        yield system
