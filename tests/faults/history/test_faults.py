"""The faults are real: each affects clients of the server, and ends when it is healed."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest

from tests.faults.history.system import FaultyServer, System, running_system
from tests.support.server import ApiClient

FILE_LIMIT = 4096


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A server on SQLite."""
    with running_system(tmp_path_factory.mktemp("site"), "sqlite", 1) as system:
        yield system


@pytest.fixture
def server(system: System) -> FaultyServer:
    """The server of the system."""
    return system.servers[0]


@pytest.fixture
def api(server: FaultyServer, jobix: int) -> ApiClient:
    """Requests to a list with two jobs and a lifetime of a minute."""
    api = ApiClient(server.url, jobix)
    api("/init/0/1")
    api("/set", {"1": {}, "2": {}})
    return api


needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (apt-get install gcc)")


@needs_compiler
def test_a_repeated_request_after_a_failed_flush_gets_the_outcome(server: FaultyServer, api: ApiClient) -> None:
    """The commit is not visible, but it is written: after a crash SQLite finds it and treats it as committed."""
    token = "c" * 20
    server.set_faults(fails=1)
    response = api("/get/0", claim=token)
    assert (response.status_code, response.json()["error"]) == (503, "outcome_unknown")
    assert api("/get").json()["working"] == 0
    server.kill()
    server.set_faults(fails=0)
    server.start()
    api.session.close()
    assert api("/get").json()["working"] == 1
    assert api("/get/0", claim=token).json()["jobid"] == 1


@needs_compiler
def test_the_server_survives_a_failed_flush(server: FaultyServer, api: ApiClient) -> None:
    server.set_faults(fails=1)
    assert api("/get/0").status_code == 503
    server.set_faults(fails=0)
    assert api("/get/0").json()["jobid"] == 1


@needs_compiler
def test_a_slow_disk_blocks_the_event_loop_once_only(server: FaultyServer, api: ApiClient, jobix: int) -> None:
    """The event loop runs quick flushes itself. After the first slow flush, a thread runs them."""
    server.set_faults(slow_ms=300)
    api("/get/0")
    server.set_faults(slow_ms=1500)
    with ThreadPoolExecutor(1) as pool:
        claimed = pool.submit(ApiClient(server.url, jobix), "/get/0")
        start_s = time.monotonic()
        while time.monotonic() < start_s + 0.5:
            assert api("/").status_code == 200
        assert not claimed.done()
        assert claimed.result().json()["jobid"] == 2
    server.set_faults(slow_ms=0)


@needs_compiler
def test_a_moved_clock_moves_deadlines(server: FaultyServer, api: ApiClient) -> None:
    server.set_faults(clock_ms=3_600_000)
    deadline = datetime.fromisoformat(api("/get/0").json()["deadline"].replace("Z", "+00:00"))
    server.set_faults(clock_ms=0)
    assert 3600 < (deadline - datetime.now(timezone.utc)).total_seconds() <= 3660


def test_a_full_disk_is_503_and_changes_nothing(server: FaultyServer, api: ApiClient) -> None:
    server.limit(FILE_LIMIT)
    assert api("/get/0").status_code == 503
    server.limit(psutil.RLIM_INFINITY)
    assert api("/get/0").json()["jobid"] == 1


def test_a_killed_server_restarts_with_its_jobs(server: FaultyServer, api: ApiClient, tmp_path: Path) -> None:
    server.kill()
    server.start()
    api.session.close()
    assert api("/get/0").json()["jobid"] == 1
