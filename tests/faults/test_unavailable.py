"""503: the database is busy or unreachable, or the server shuts down. No change is partial, and the server recovers."""

import signal
import socket
import time
from contextlib import contextmanager

import psycopg
import pytest

from tests.support.background_client import BackgroundClient
from tests.support.locks import locked
from tests.support.server import ApiClient
from tests.support.snapshot import opened

CHANGES = [
    ("/init/0/10", None), ("/set", {"7": {}}), ("/get/0", None), ("/update_job/1/2", None),
    ("/update_jobs", [{"jobid": 1, "jobstage": 2}]), ("/check_stages/1/0", None), ("/lifetime/1/5", None),
]  # fmt: skip


@pytest.fixture
def impatient(new_server):
    """A server that waits 0.3 s for a locked database and rarely sweeps."""
    return new_server(busy_timeout_s="0.3", sweep_every_s="3600").start()


@pytest.fixture
def api(impatient, jobix):
    """Requests to the impatient server, for a list of two jobs of which one is held."""
    api = ApiClient(impatient.url, jobix)
    api("/set", {"1": {}, "2": {}})
    api("/get/0")
    return api


@contextmanager
def unreachable(server):
    """PostgreSQL ends every connection to the database and accepts no new ones."""
    uri = server.environment["JOBSERVER_DATABASE_URI"]
    name = uri.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(uri.replace(f"/{name}?", "/postgres?"), autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def content_of(server):
    """The complete content of the database."""
    with opened(server) as database:
        return database.tables()


def refused_as_busy(api):
    """Checks that every route that changes state quickly returns 503 with a retry time."""
    for path, body in CHANGES:
        start_s = time.monotonic()
        response = api.session.post(api.url + path, json=body, headers={"jobix": str(api.jobix)}, timeout=8)
        assert (response.status_code, response.json()["error"]) == (503, "database_busy"), path
        assert int(response.headers["Retry-After"]) >= 1
        assert time.monotonic() - start_s < 5


def test_a_locked_database_is_503_and_changes_nothing(api, impatient):
    before = content_of(impatient)
    with locked(impatient):
        refused_as_busy(api)
    assert content_of(impatient) == before
    assert api("/update_job/1/2").status_code == 200


def test_an_unreachable_database_is_503_and_changes_nothing(api, impatient, kind):
    before = content_of(impatient)
    with locked(impatient) if kind == "sqlite" else unreachable(impatient):
        refused_as_busy(api)
        assert api("/").status_code == 200
    assert content_of(impatient) == before
    assert api("/update_job/1/2").status_code == 200


def test_a_list_that_waits_for_the_database_does_not_delay_the_hello(api, impatient):
    with locked(impatient):
        start_s = time.monotonic()
        for _ in range(5):
            assert api("/").status_code == 200
        assert time.monotonic() - start_s < 3


def test_a_request_during_shutdown_is_503_and_changes_nothing(api, impatient, jobix):
    before = content_of(impatient)
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as connection:
        connection.sendall(b"GET /get/0 HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        waiting = BackgroundClient(impatient.url, jobix).send("/get/4?wait=60")
        # the server has now read the earlier request
        impatient.process.send_signal(signal.SIGTERM)
        assert waiting.result(10) == "nada"  # "nada" shows that the shutdown has begun
        connection.sendall(b"jobix: %d\r\n\r\n" % jobix)
        response = connection.recv(10_000)
    assert response.startswith(b"HTTP/1.1 503 ")
    assert b"shutting_down" in response
    assert b"Retry-After: " in response
    assert impatient.process.wait(20) == 0
    assert content_of(impatient) == before
