"""The faults are real: each affects clients of the server, and ends when it is healed."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest

from tests.faults.history.site import Served, Site, opened_site
from tests.support.server import Asker

NO_ROOM = 4096


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on SQLite."""
    with opened_site(tmp_path_factory.mktemp("site"), "sqlite", 1) as site:
        yield site


@pytest.fixture
def served(site: Site) -> Served:
    """The server of the site."""
    return site.servers[0]


@pytest.fixture
def ask(served: Served, jobix: int) -> Asker:
    """Requests to a list with two jobs and a lifetime of a minute."""
    ask = Asker(served.url, jobix)
    ask("/init/0/1")
    ask("/set", {"1": {}, "2": {}})
    return ask


needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (apt-get install gcc)")


@needs_compiler
def test_a_repeated_request_after_a_failed_flush_gets_the_outcome(served: Served, ask: Asker) -> None:
    """The commit is not visible, but it is written: after a crash SQLite finds it and treats it as committed."""
    token = "c" * 20
    served.steer(fails=1)
    answer = ask("/get/0", claim=token)
    assert (answer.status_code, answer.json()["error"]) == (503, "outcome_unknown")
    assert ask("/get").json()["working"] == 0
    served.kill()
    served.steer(fails=0)
    served.start()
    ask.session.close()
    assert ask("/get").json()["working"] == 1
    assert ask("/get/0", claim=token).json()["jobid"] == 1


@needs_compiler
def test_the_server_survives_a_failed_flush(served: Served, ask: Asker) -> None:
    served.steer(fails=1)
    assert ask("/get/0").status_code == 503
    served.steer(fails=0)
    assert ask("/get/0").json()["jobid"] == 1


@needs_compiler
def test_a_slow_disk_blocks_the_event_loop_once_only(served: Served, ask: Asker, jobix: int) -> None:
    """The event loop runs quick flushes itself. After the first slow flush, a thread runs them."""
    served.steer(slow_ms=300)
    ask("/get/0")
    served.steer(slow_ms=1500)
    with ThreadPoolExecutor(1) as pool:
        claimed = pool.submit(Asker(served.url, jobix), "/get/0")
        begun = time.monotonic()
        while time.monotonic() < begun + 0.5:
            assert ask("/").status_code == 200
        assert not claimed.done()
        assert claimed.result().json()["jobid"] == 2
    served.steer(slow_ms=0)


@needs_compiler
def test_a_moved_clock_moves_deadlines(served: Served, ask: Asker) -> None:
    served.steer(clock_ms=3_600_000)
    deadline = datetime.fromisoformat(ask("/get/0").json()["deadline"].replace("Z", "+00:00"))
    served.steer(clock_ms=0)
    assert 3600 < (deadline - datetime.now(timezone.utc)).total_seconds() <= 3660


def test_a_full_disk_is_503_and_changes_nothing(served: Served, ask: Asker) -> None:
    served.limit(NO_ROOM)
    assert ask("/get/0").status_code == 503
    served.limit(psutil.RLIM_INFINITY)
    assert ask("/get/0").json()["jobid"] == 1


def test_a_killed_server_restarts_with_its_jobs(served: Served, ask: Asker, tmp_path: Path) -> None:
    served.kill()
    served.start()
    ask.session.close()
    assert ask("/get/0").json()["jobid"] == 1
