"""A heartbeat that arrived in time keeps its claim, however long it is queued."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import Asker
from tests.support.snapshot import opened
from tests.support.waiting import until

LEFT_S = 3  # enough for four requests
REACHES_S = 0.4  # time for a request to reach the commit queue, also on a busy machine
SLOW = {
    True: """CREATE FUNCTION slow() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END' LANGUAGE plpgsql;
        CREATE TRIGGER slow AFTER INSERT ON job FOR EACH STATEMENT EXECUTE FUNCTION slow()""",
    False: """CREATE TRIGGER slow AFTER INSERT ON job WHEN new.jobid = 1000 BEGIN
        SELECT MAX(a.jobid + b.jobid + c.jobid) FROM job a, job b, job c WHERE c.jobid < 560; END""",
}


@pytest.fixture
def patient(new_server):
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
    ask = Asker(server.url, jobix)
    ask("/lifetime/1/10?requeue=0")
    ask("/set", {"1": {}, "2": {}, "3": {}})
    for token in ("a" * 16, "b" * 16):
        ask("/get/0", claim=token)
    return ask


def sent(pool, ask, path, body):
    """Sends a request. Returns its future response; later requests are queued after it."""
    own = Asker(ask.url, ask.jobix)
    own("/")
    answer = pool.submit(own, path, body)
    time.sleep(REACHES_S)
    ask("/")
    return answer


def beats(*pairs):
    """A heartbeat's body."""
    return [{"jobid": jobid, "claim": letter * 16} for jobid, letter in pairs]


def test_a_delayed_sweep_respects_an_earlier_heartbeat(patient, pool, jobix):
    ask = two_held(patient, jobix)
    with opened(patient) as database:
        expires = time.time() + LEFT_S
        database.run("UPDATE job SET deadline = CASE jobid WHEN 1 THEN 1 WHEN 2 THEN ? END", int(expires * 1000))
        database.run("BEGIN" if database.postgresql else "BEGIN IMMEDIATE")
        if database.postgresql:
            database.run("LOCK TABLE stage_count IN EXCLUSIVE MODE")  # reads remain possible
        claim = sent(pool, ask, "/get/0", None)
        sweep = sent(pool, ask, "/check_stages", None)
        beat = sent(pool, ask, "/heartbeat", beats((1, "a"), (2, "b")))
        assert time.time() < expires, "the machine was too slow for this test"
        until(lambda: time.time() > expires)
        assert not sweep.done()
        assert not beat.done()
        database.run("ROLLBACK")
    assert [one["state"] for one in beat.result(20).json()["jobs"]] == ["lost", "held"]
    assert [one.result(20).status_code for one in (claim, sweep)] == [200, 200]


def test_a_heartbeat_waits_for_the_end_of_a_long_set(impatient, pool, jobix):
    """The set takes longer than the timeout for the database."""
    ask = two_held(impatient, jobix)
    with opened(impatient) as database:
        database.run(SLOW[database.postgresql])
    long = sent(pool, ask, "/set", {str(jobid): {} for jobid in range(400, 1001)})
    until(lambda: under_way(impatient))
    beat = sent(pool, ask, "/heartbeat", beats((2, "b")))
    assert not long.done()
    assert beat.result(20).json()["jobs"][0]["state"] == "held"
    assert long.result(20).json()["new"] == 601


def under_way(server):
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
