"""503: the database is busy or unreachable, or the server shuts down. No change is partial, and the server recovers."""

import signal
import socket
import time
from contextlib import contextmanager

import psycopg
import pytest

from tests.support.locks import locked
from tests.support.server import Asker
from tests.support.snapshot import opened
from tests.support.waiter import Waiter

CHANGES = [
    ("/init/0/10", None), ("/set", {"7": {}}), ("/get/0", None), ("/update_job/1/2", None),
    ("/update_jobs", [{"jobid": 1, "jobstage": 2}]), ("/check_stages/1/0", None), ("/lifetime/1/5", None),
]  # fmt: skip


@pytest.fixture
def impatient(new_server):
    """A server that waits 0.3 s for a locked database and rarely sweeps."""
    return new_server(busy_timeout_s="0.3", sweep_every_s="3600").start()


@pytest.fixture
def ask(impatient, jobix):
    """Requests to the impatient server, for a list of two jobs of which one is held."""
    ask = Asker(impatient.url, jobix)
    ask("/set", {"1": {}, "2": {}})
    ask("/get/0")
    return ask


@contextmanager
def out_of_reach(server):
    """PostgreSQL ends every connection to the database and accepts no new ones."""
    uri = server.environment["JOBSERVER_DATABASE_URI"]
    name = uri.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(uri.replace(f"/{name}?", "/postgres?"), autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def whole(server):
    """The complete content of the database."""
    with opened(server) as database:
        return database.tables()


def refused_as_busy(ask):
    """Checks that every route that changes state quickly returns 503 with a retry time."""
    for path, body in CHANGES:
        begun = time.monotonic()
        answer = ask.session.post(ask.url + path, json=body, headers={"jobix": str(ask.jobix)}, timeout=8)
        assert (answer.status_code, answer.json()["error"]) == (503, "database_busy"), path
        assert int(answer.headers["Retry-After"]) >= 1
        assert time.monotonic() - begun < 5


def test_a_locked_database_is_503_and_changes_nothing(ask, impatient):
    before = whole(impatient)
    with locked(impatient):
        refused_as_busy(ask)
    assert whole(impatient) == before
    assert ask("/update_job/1/2").status_code == 200


def test_an_unreachable_database_is_503_and_changes_nothing(ask, impatient, kind):
    before = whole(impatient)
    with locked(impatient) if kind == "sqlite" else out_of_reach(impatient):
        refused_as_busy(ask)
        assert ask("/").status_code == 200
    assert whole(impatient) == before
    assert ask("/update_job/1/2").status_code == 200


def test_a_list_that_waits_for_the_database_does_not_delay_the_hello(ask, impatient):
    with locked(impatient):
        begun = time.monotonic()
        for _ in range(5):
            assert ask("/").status_code == 200
        assert time.monotonic() - begun < 3


def test_a_request_during_shutdown_is_503_and_changes_nothing(ask, impatient, jobix):
    before = whole(impatient)
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as late:
        late.sendall(b"GET /get/0 HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        waiting = Waiter(impatient.url, jobix).ask("/get/4?wait=60")  # the server has now read the earlier request
        impatient.process.send_signal(signal.SIGTERM)
        assert waiting.result(10) == "nada"  # "nada" shows that the shutdown has begun
        late.sendall(b"jobix: %d\r\n\r\n" % jobix)
        answer = late.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"shutting_down" in answer
    assert b"Retry-After: " in answer
    assert impatient.process.wait(20) == 0
    assert whole(impatient) == before
