"""A heartbeat that arrived in time keeps its claim, however long it is queued."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import ApiClient
from tests.support.snapshot import opened
from tests.support.until import until

LEFT_S = 3  # enough for four requests
REQUEST_S = 0.4  # time for a request to reach the commit queue, also on a busy machine
SLOW = {
    True: """CREATE FUNCTION slow() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END' LANGUAGE plpgsql;
        CREATE TRIGGER slow AFTER INSERT ON job FOR EACH STATEMENT EXECUTE FUNCTION slow()""",
    False: """CREATE TRIGGER slow AFTER INSERT ON job WHEN new.jobid = 1000 BEGIN
        SELECT MAX(a.jobid + b.jobid + c.jobid) FROM job a, job b, job c WHERE c.jobid < 560; END""",
}


@pytest.fixture
def patient_server(new_server):
    """A server that sweeps on request only."""
    return new_server(sweep_every_s="3600").start()


@pytest.fixture
def impatient(new_server):
    """A server that waits 0.3 s for the database."""
    return new_server(busy_timeout_s="0.3", sweep_every_s="3600").start()


@pytest.fixture
def pool():
    """Threads for concurrent requests."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def two_held(server, jobix):
    """Two of three jobs are held, and are requeued when they expire."""
    api = ApiClient(server.url, jobix)
    api("/lifetime/1/10?requeue=0")
    api("/set", {"1": {}, "2": {}, "3": {}})
    for token in ("a" * 16, "b" * 16):
        api("/get/0", claim=token)
    return api


def send(pool, api, path, body):
    """Sends a request. Returns its future response; later requests are queued after it."""
    own = ApiClient(api.url, api.jobix)
    own("/")
    response = pool.submit(own, path, body)
    time.sleep(REQUEST_S)
    api("/")
    return response


def heartbeats(*pairs):
    """A heartbeat's body."""
    return [{"jobid": jobid, "claim": letter * 16} for jobid, letter in pairs]


def test_a_delayed_sweep_respects_an_earlier_heartbeat(patient_server, pool, jobix):
    api = two_held(patient_server, jobix)
    with opened(patient_server) as database:
        expires = time.time() + LEFT_S
        database.run("UPDATE job SET deadline = CASE jobid WHEN 1 THEN 1 WHEN 2 THEN ? END", int(expires * 1000))
        database.run("BEGIN" if database.postgresql else "BEGIN IMMEDIATE")
        if database.postgresql:
            database.run("LOCK TABLE stage_count IN EXCLUSIVE MODE")  # reads remain possible
        claim = send(pool, api, "/get/0", None)
        sweep = send(pool, api, "/check_stages", None)
        heartbeat = send(pool, api, "/heartbeat", heartbeats((1, "a"), (2, "b")))
        assert time.time() < expires, "the machine was too slow for this test"
        until(lambda: time.time() > expires)
        assert not sweep.done()
        assert not heartbeat.done()
        database.run("ROLLBACK")
    assert [entry["state"] for entry in heartbeat.result(20).json()["jobs"]] == ["lost", "held"]
    assert [future.result(20).status_code for future in (claim, sweep)] == [200, 200]


def test_a_heartbeat_waits_for_the_end_of_a_long_set(impatient, pool, jobix):
    """The set takes longer than the timeout for the database."""
    api = two_held(impatient, jobix)
    with opened(impatient) as database:
        database.run(SLOW[database.postgresql])
    long = send(pool, api, "/set", {str(jobid): {} for jobid in range(400, 1001)})
    until(lambda: set_in_progress(impatient))
    heartbeat = send(pool, api, "/heartbeat", heartbeats((2, "b")))
    assert not long.done()
    assert heartbeat.result(20).json()["jobs"][0]["state"] == "held"
    assert long.result(20).json()["new"] == 601


def set_in_progress(server):
    """Whether the long set is in progress."""
    with opened(server) as database:
        if database.postgresql:
            return database.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        database.run("PRAGMA busy_timeout = 0")
        try:
            database.run("BEGIN IMMEDIATE")
        except Exception as error:
            return "locked" in str(error)
        database.run("ROLLBACK")
        return False
