"""PostgreSQL is silent, loses the response to a commit, or restarts: clients get errors, and nothing is done twice."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.support.server import Asker
from tests.support.waiting import until
from tests.support.wire import Wire

BUSY_S = 0.5
SOON_S = 5  # a connection attempt takes at least 2 s, and the machine may be busy
WAYS = [("/get/0", None), ("/get", None), ("/set", {str(jobid): {} for jobid in range(10, 600)})]
OTHERS = [("/heartbeat", [{"jobid": 1, "claim": "c" * 16}]), ("/lifetime", None), ("/lifetime/1/5", None)]
ENDS = """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.fixture
def wire(new_postgresql_database):
    """The network path to a database."""
    made = Wire(new_postgresql_database)
    yield made
    made.close()


@pytest.fixture
def database_uri(wire):
    """The URI of the wire, for the server."""
    return wire.uri


@pytest.fixture
def impatient(new_server):
    """A server that waits 0.5 s for the database and rarely sweeps."""
    return new_server(busy_timeout_s=str(BUSY_S), sweep_every_s="3600").start()


@pytest.fixture
def patient(new_server):
    """A server that waits long for the database, and drains running requests for 1 s."""
    return new_server(busy_timeout_s="10", sweep_every_s="3600", drain_s="1").start()


@pytest.fixture
def ask(impatient, jobix):
    """Requests to the impatient server, for a list of five jobs of which one is held."""
    return filled(Asker(impatient.url, jobix))


def filled(ask):
    """Adds five jobs, of which one is held."""
    ask("/set", {str(jobid): {} for jobid in range(1, 6)})
    ask("/get/0", claim="c" * 16)
    ask("/get")
    return ask


def asked(ask, path, body):
    """Sends a request. Returns the status, the error code and the seconds."""
    begun = time.monotonic()
    answer = ask.session.request(
        "POST" if body else "GET", ask.url + path, json=body, headers={"jobix": str(ask.jobix)}, timeout=20
    )
    said = answer.json()
    return (answer.status_code, said.get("error") if isinstance(said, dict) else None), time.monotonic() - begun


def in_stage(uri, stage):
    """The ids of the jobs in a stage."""
    with psycopg.connect(uri, autocommit=True) as connection:
        found = connection.execute("SELECT jobid FROM job WHERE jobstage = %s ORDER BY jobid", [stage]).fetchall()
        return [row[0] for row in found]


@pytest.mark.parametrize(("path", "body"), WAYS, ids=["claim", "read", "bulk"])
def test_a_silent_database_is_503_for_every_request_in_time(ask, wire, path, body):
    wire.fall_silent()
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda _number: asked(Asker(ask.url, ask.jobix), path, body), range(3)))
        assert ask("/").status_code == 200
    assert [status for status, _took_s in told] == [(503, "database_busy")] * 3
    assert max(took_s for _status, took_s in told) < SOON_S
    wire.talk()
    until(lambda: ask(path, body).status_code != 503)


@pytest.mark.parametrize(("path", "body"), WAYS, ids=["claim", "read", "bulk"])
def test_a_server_with_a_silent_database_can_be_stopped(patient, wire, jobix, path, body):
    ask = filled(Asker(patient.url, jobix))
    wire.fall_silent()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asked, Asker(ask.url, ask.jobix), path, body)
        assert ask("/").status_code == 200
        begun = time.monotonic()
        patient.process.send_signal(signal.SIGTERM)
        patient.process.wait(20)
        assert time.monotonic() - begun < SOON_S
        waiting.exception(20)  # with or without a response, the client does not block


def test_a_repeated_request_after_a_lost_commit_response_gets_the_outcome(ask, wire, new_postgresql_database):
    token = "d" * 20
    wire.loses_commits = True
    answer = ask("/get/0", claim=token)
    assert (answer.status_code, answer.json()["error"], wire.lost) == (503, "outcome_unknown", 1)
    assert int(answer.headers["Retry-After"]) >= 1
    wire.loses_commits = False
    again = ask("/get/0", claim=token).json()
    assert (again["jobid"], again["claim"], again["attempt"]) == (2, token, 1)
    assert in_stage(new_postgresql_database, 1) == [1, 2]


def test_nothing_is_done_twice_after_lost_commit_responses(ask, wire, new_postgresql_database):
    """Concurrent claims share a commit. Each claims one job and gets an unknown outcome."""
    ask("/set", {str(jobid): {} for jobid in range(100, 200)})
    wire.loses_commits = True
    with ThreadPoolExecutor(30) as pool:
        told = list(pool.map(lambda _number: asked(Asker(ask.url, ask.jobix), "/get/0", None)[0], range(30)))
    assert set(told) == {(503, "outcome_unknown")}
    assert 1 <= wire.lost <= 30
    assert len(in_stage(new_postgresql_database, 1)) == 1 + 30
    wire.loses_commits = False
    assert ask("/get/0").status_code == 200


def test_the_next_request_after_a_restart_of_postgresql_succeeds(ask, new_postgresql_database):
    with psycopg.connect(new_postgresql_database, autocommit=True) as connection:
        for path, body in WAYS + OTHERS:
            assert connection.execute(ENDS).fetchall(), "the server had no connection"
            assert asked(ask, path, body)[0] == (200, None), path
