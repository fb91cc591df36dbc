"""Transactions that PostgreSQL aborts because of a conflict are retried."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient
from tests.support.snapshot import opened
from tests.support.stalled_servers import hold, responses, started
from tests.support.until import until_blocked


@pytest.fixture
def pool():
    """Threads for concurrent requests."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def strict(postgresql, tmp_path):
    """A server on a PostgreSQL with a stricter isolation level."""
    uri = make_postgresql_database(postgresql)
    first = next(started(tmp_path, uri, default_transaction_isolation="repeatable read"))
    yield first
    first.kill()


def test_a_stricter_isolation_level_causes_no_errors(strict, pool, jobix):
    api = ApiClient(strict.url, jobix)
    api("/set", {str(jobid): {} for jobid in range(9)})
    with opened(strict) as first, opened(strict) as second:
        hold(first, "UPDATE stage_count SET jobs = jobs")
        waiting = [pool.submit(ApiClient(strict.url, jobix), "/get/0")]
        until_blocked(strict)
        second.run("BEGIN ISOLATION LEVEL READ COMMITTED")
        queued = pool.submit(second.run, "UPDATE stage_count SET jobs = jobs")
        until_blocked(strict, 2)
        waiting += [pool.submit(ApiClient(strict.url, jobix), "/get/0") for _ in range(3)]
        for _ in range(3):
            assert api("/").status_code == 200  # the requests are in the queue now
        first.run("COMMIT")
        queued.result(20)
        until_blocked(strict)
        second.run("COMMIT")
        assert sorted(content["jobid"] for _status, content in responses(waiting)) == [0, 1, 2, 3]


def test_the_victim_of_a_deadlock_is_retried(strict, pool, jobix):
    api = ApiClient(strict.url, jobix)
    api("/set", {"1": {}, "2": {}})
    held = [{"jobid": job["jobid"], "claim": job["claim"]} for job in api("/get/0?n=2").json()]
    with opened(strict) as database:
        database.run("SET deadlock_timeout = '1h'")  # so the server is the victim, after one second
        hold(database, "SELECT * FROM job WHERE jobid = 2 FOR UPDATE")
        heartbeat = pool.submit(api, "/heartbeat", held)
        until_blocked(strict)
        database.run("SELECT * FROM job WHERE jobid = 1 FOR UPDATE")
        database.run("COMMIT")
    assert [job["state"] for job in heartbeat.result(30).json()["jobs"]] == ["held", "held"]
