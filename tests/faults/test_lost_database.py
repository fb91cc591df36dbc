"""PostgreSQL is silent, loses the response to a commit, or restarts: clients get errors, and nothing is done twice."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.support.postgresql_proxy import PostgresqlProxy
from tests.support.server import ApiClient
from tests.support.until import until

BUSY_S = 0.5
RESPONSE_S = 5  # a connection attempt takes at least 2 s, and the machine may be busy
REQUESTS = [("/get/0", None), ("/get", None), ("/set", {str(jobid): {} for jobid in range(10, 600)})]
OTHER_REQUESTS = [("/heartbeat", [{"jobid": 1, "claim": "c" * 16}]), ("/lifetime", None), ("/lifetime/1/5", None)]
END_CONNECTIONS = """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.fixture
def database_proxy(new_postgresql_database):
    """The network path to a database."""
    new_proxy = PostgresqlProxy(new_postgresql_database)
    yield new_proxy
    new_proxy.close()


@pytest.fixture
def database_uri(database_proxy):
    """The URI of the proxy, for the server."""
    return database_proxy.uri


@pytest.fixture
def impatient(new_server):
    """A server that waits 0.5 s for the database and rarely sweeps."""
    return new_server(busy_timeout_s=str(BUSY_S), sweep_every_s="3600").start()


@pytest.fixture
def patient_server(new_server):
    """A server that waits long for the database, and drains running requests for 1 s."""
    return new_server(busy_timeout_s="10", sweep_every_s="3600", drain_s="1").start()


@pytest.fixture
def api(impatient, jobix):
    """Requests to the impatient server, for a list of five jobs of which one is held."""
    return filled(ApiClient(impatient.url, jobix))


def filled(api):
    """Adds five jobs, of which one is held."""
    api("/set", {str(jobid): {} for jobid in range(1, 6)})
    api("/get/0", claim="c" * 16)
    api("/get")
    return api


def request(api, path, body):
    """Sends a request. Returns the status, the error code and the seconds."""
    start_s = time.monotonic()
    response = api.session.request(
        "POST" if body else "GET", api.url + path, json=body, headers={"jobix": str(api.jobix)}, timeout=20
    )
    content = response.json()
    error = content.get("error") if isinstance(content, dict) else None
    return (response.status_code, error), time.monotonic() - start_s


def in_stage(uri, stage):
    """The ids of the jobs in a stage."""
    with psycopg.connect(uri, autocommit=True) as connection:
        jobs = connection.execute("SELECT jobid FROM job WHERE jobstage = %s ORDER BY jobid", [stage])
        return [row[0] for row in jobs.fetchall()]


@pytest.mark.parametrize(("path", "body"), REQUESTS, ids=["claim", "read", "bulk"])
def test_a_silent_database_is_503_for_every_request_in_time(api, database_proxy, path, body):
    database_proxy.stop_forwarding()
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(lambda _number: request(ApiClient(api.url, api.jobix), path, body), range(3)))
        assert api("/").status_code == 200
    assert [status for status, _took_s in responses] == [(503, "database_busy")] * 3
    assert max(took_s for _status, took_s in responses) < RESPONSE_S
    database_proxy.resume_forwarding()
    until(lambda: api(path, body).status_code != 503)


@pytest.mark.parametrize(("path", "body"), REQUESTS, ids=["claim", "read", "bulk"])
def test_a_server_with_a_silent_database_can_be_stopped(patient_server, database_proxy, jobix, path, body):
    api = filled(ApiClient(patient_server.url, jobix))
    database_proxy.stop_forwarding()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(request, ApiClient(api.url, api.jobix), path, body)
        assert api("/").status_code == 200
        start_s = time.monotonic()
        patient_server.process.send_signal(signal.SIGTERM)
        patient_server.process.wait(20)
        assert time.monotonic() - start_s < RESPONSE_S
        waiting.exception(20)  # with or without a response, the client does not block


def test_a_repeated_request_after_a_lost_commit_response_gets_the_outcome(api, database_proxy, new_postgresql_database):
    token = "d" * 20
    database_proxy.loses_commits = True
    response = api("/get/0", claim=token)
    assert (response.status_code, response.json()["error"], database_proxy.lost) == (503, "outcome_unknown", 1)
    assert int(response.headers["Retry-After"]) >= 1
    database_proxy.loses_commits = False
    again = api("/get/0", claim=token).json()
    assert (again["jobid"], again["claim"], again["attempt"]) == (2, token, 1)
    assert in_stage(new_postgresql_database, 1) == [1, 2]


def test_nothing_is_done_twice_after_lost_commit_responses(api, database_proxy, new_postgresql_database):
    """Concurrent claims share a commit. Each claims one job and gets an unknown outcome."""
    api("/set", {str(jobid): {} for jobid in range(100, 200)})
    database_proxy.loses_commits = True
    with ThreadPoolExecutor(30) as pool:
        responses = list(pool.map(lambda _number: request(ApiClient(api.url, api.jobix), "/get/0", None)[0], range(30)))
    assert set(responses) == {(503, "outcome_unknown")}
    assert 1 <= database_proxy.lost <= 30
    assert len(in_stage(new_postgresql_database, 1)) == 1 + 30
    database_proxy.loses_commits = False
    assert api("/get/0").status_code == 200


def test_the_next_request_after_a_restart_of_postgresql_succeeds(api, new_postgresql_database):
    with psycopg.connect(new_postgresql_database, autocommit=True) as connection:
        for path, body in REQUESTS + OTHER_REQUESTS:
            assert connection.execute(END_CONNECTIONS).fetchall(), "the server had no connection"
            assert request(api, path, body)[0] == (200, None), path
