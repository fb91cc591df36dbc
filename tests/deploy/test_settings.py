"""The effect of each setting of docs/settings.md on a real server, set by a variable or by a file."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.store.location import refuse_unfit
from tests.support import snapshot
from tests.support.paths import ROOT
from tests.support.server import ApiClient, Server
from tests.support.until import until

WITHIN_S = 20
ENDED = "SELECT COUNT(*) FROM event WHERE claim IS NOT NULL"


class Bare(Server):
    """A server with only these settings, from the environment or from a file."""

    def __init__(self, folder: Path, source: str, **settings: object) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder)
        if source == "file":
            file = folder / "settings.py"
            file.write_text("".join(f"{name.upper()} = {value!r}\n" for name, value in settings.items()))
            self._given = {"JOBSERVER_CONFIG": str(file)}
        else:
            self._given = {f"JOBSERVER_{name.upper()}": str(value) for name, value in settings.items()}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its process."""
        return {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")} | self._given


def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def half_an_upload(port: int, jobix: int) -> socket.socket:
    """Starts a request whose body never ends."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
    connection.sendall(b"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\njobix: %d\r\n\r\n{" % jobix)
    return connection


@pytest.mark.parametrize("source", ["environment", "file"])
def test_every_setting_reaches_the_server(tmp_path: Path, source: str, jobix: int) -> None:
    port, file = free_port(), tmp_path / "elsewhere" / "jobs.db"
    at_home = {"instance": str(tmp_path / "here"), "database_uri": f"sqlite:///{file}", "secret_key": "key"}
    server = Bare(
        tmp_path / "one", source, **at_home, host="0.0.0.0", port=port, async_mode="threading", max_body_mb=1,
        sweep_every_s=0.02, require_claim=True, busy_timeout_s=0.05, drain_s=0.2, log_level="WARNING",
    ).start()  # fmt: skip
    closed = Bare(
        tmp_path / "two", source, **at_home, port=0, open=False, wrong_secrets_per_minute=1, history_days=1e-8,
        sweep_every_s=0.02,
    )  # fmt: skip
    try:
        api = ApiClient(server.url, jobix)
        text = server.log.read_text()
        assert text.startswith("job_manager ")
        assert f" serves http://0.0.0.0:{port}/get (SQLite {file}, " in text
        assert text.endswith("threading)\n")
        assert api("/set", {"1": {"jobcmd": "x" * 1_100_000}}).status_code == 413
        assert api("/set", {"1": {}, "2": {}}).status_code == 200
        job = api("/get/0").json()
        assert api("/update_job/1/2").status_code == 409, "it doesn't require the claim"
        assert api("/update_job/1/2", claim=job["claim"]).status_code == 200
        assert database_rows(file, ENDED) == [(1,)]
        api("/lifetime/1/0.02")  # 1.2 s: more time than the test needs to lock the database
        with snapshot.opened(server_at(file)) as other:
            api("/get/0")
            other.run("BEGIN IMMEDIATE")
            until(lambda: server.log.read_text().count("the sweep is postponed") > 10, "a sweep, every 0.02 s,")
            other.run("ROLLBACK")
        assert " INFO " not in server.log.read_text()
        with half_an_upload(port, jobix):
            start_s = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - start_s < WITHIN_S, "the server drained for too long"
        closed.start()  # after the first server has stopped: it was the leader, which deletes old history
        until(lambda: database_rows(file, ENDED) == [(0,)], "the end of the history")
        assert ApiClient(closed.url, jobix)("/get/0").status_code == 200
        assert [ApiClient(closed.url, jobix ^ 1)("/get/0").status_code for _ in range(2)] == [403, 429]
        assert not (tmp_path / "here").exists() or not list((tmp_path / "here").iterdir())
    finally:
        server.kill()
        closed.kill()


def server_at(file: Path) -> Server:
    """A server with this database file, for tests.support.snapshot."""
    return Server(file.parent, f"sqlite:///{file}")


def database_rows(file: Path, sql: str) -> list[tuple[object, ...]]:
    """Runs one statement. Returns its rows."""
    return snapshot.rows(server_at(file), sql)


def test_a_relative_database_file_is_one_file(new_server: Callable[..., Server], tmp_path: Path, jobix: int) -> None:
    relative = os.path.relpath(tmp_path / "jobs.sqlite", ROOT)
    api = ApiClient(new_server(database_uri=f"sqlite:///{relative}").start().url, jobix)
    assert api("/set", {"1": {}}).status_code == 200
    assert api("/get/0").json()["jobid"] == 1


@pytest.mark.parametrize("kind", ["nfs4", "lustre", "gpfs", "NFS"])
def test_sqlite_on_a_network_file_system_is_refused_unless_allowed(tmp_path: Path, kind: str) -> None:
    mounts = {"/": "ext4", str(tmp_path): kind, str(tmp_path / "not here"): "ext4"}
    with pytest.raises(CannotStart, match="JOBSERVER_ALLOW_NETWORK_FILESYSTEM=1"):
        refuse_unfit(Settings(instance=str(tmp_path / "instance")), lambda: mounts)
    refuse_unfit(Settings(instance=str(tmp_path / "instance"), allow_network_filesystem=True), lambda: mounts)
    refuse_unfit(Settings(instance=str(tmp_path / "not here" / "x")), lambda: mounts)
    refuse_unfit(Settings(instance=str(tmp_path), database_uri="postgresql://host/jobs"), lambda: mounts)
