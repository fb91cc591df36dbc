"""Two servers on one PostgreSQL change the same things at once: a foreign lock stops both halfway, and its
release lets both continue together."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient
from tests.support.snapshot import opened
from tests.support.stalled_servers import hold, responses, started
from tests.support.until import blocked, until, until_blocked

RESPONSE_S = 5  # a long poll queries every 0.25 s, and once more at its end
INSERT_LIST = "INSERT INTO job_list (name, jobix_hash, created) VALUES ('{}', 'x', 0)"
INSERT_LIFETIME = """INSERT INTO lifetime (list_id, stage, lifetime_ms, max_attempts)
    SELECT id, 0, 0, 5 FROM job_list WHERE name = '{}'"""
LOCK_JOB_3 = """SELECT * FROM job JOIN job_list ON job_list.id = list_id
    WHERE job_list.name = '{}' AND jobid = 3 FOR UPDATE OF job"""


@pytest.fixture(scope="module")
def pair(postgresql, tmp_path_factory):
    """Two servers on a PostgreSQL without deadlock detection: a deadlock ends by the server's timeout, with a 503."""
    uri = make_postgresql_database(postgresql)
    servers = list(started(tmp_path_factory.mktemp("pair"), uri, deadlock_timeout="1h"))
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture
def pool():
    """Threads for concurrent requests."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


def both(pool, pair, jobix, *requests):
    """Sends one request (path, body) to each server. Returns the futures of the responses."""
    return [
        pool.submit(ApiClient(server.url, jobix), path, body)
        for server, (path, body) in zip(pair, requests, strict=True)
    ]


def test_a_lifetime_set_during_a_claim_applies_to_it(pair, pool, jobix):
    first, second = pair
    api = ApiClient(first.url, jobix)
    api("/set", {"1": {}})
    name = api("/get").json()["list"]
    with opened(first) as database:
        hold(database, "SELECT * FROM stage_count FOR UPDATE")
        claim = pool.submit(api, "/get/0")
        until_blocked(first)
        lifetime = pool.submit(ApiClient(second.url, jobix), "/lifetime/1/10")
        until(lambda: lifetime.done() or blocked(first) == 2)
        database.run("COMMIT")
        assert (claim.result(30).json()["jobid"], lifetime.result(30).json()["minutes"]) == (1, 10)
        assert [job["deadline"] - job["renewed"] for job in database.jobs(name).values()] == [600_000]


def test_one_of_two_lists_gets_a_name_requested_at_once(pair, pool, jobix):
    name, secrets = f"wanted-{jobix}", [jobix, jobix ^ 1]
    for secret in secrets:
        ApiClient(pair[0].url, secret)("/init")
    with opened(pair[0]) as database:
        hold(database, INSERT_LIST.format(name))
        waiting = [
            pool.submit(ApiClient(server.url, secret), f"/init?name={name}")
            for server, secret in zip(pair, secrets, strict=True)
        ]
        until_blocked(pair[0], 2)
        database.run("ROLLBACK")
        results = sorted(responses(waiting), key=lambda response: response[0])
        assert [status for status, _content in results] == [200, 409]
        assert results[1][1]["error"] == "name_taken"


def test_two_servers_create_a_list_of_one_name_once(pair, pool, jobix):
    name = f"wanted-{jobix}"
    with opened(pair[0]) as database:
        hold(database, INSERT_LIST.format(name))
        waiting = both(pool, pair, jobix, *[(f"/init/0/10?name={name}", None)] * 2)
        until_blocked(pair[0], 2)
        database.run("ROLLBACK")
        assert responses(waiting) == [(200, {"0": 0, "1": 10, "2": 0})] * 2
        assert database.rows("SELECT COUNT(*) FROM job_list WHERE name = ?", name) == [(1,)]


def test_concurrent_changes_of_lifetimes_do_not_mix(pair, pool, jobix):
    api = ApiClient(pair[0].url, jobix)
    api("/init")
    name = api("/get").json()["list"]
    with opened(pair[0]) as database:
        hold(database, INSERT_LIFETIME.format(name))
        waiting = both(pool, pair, jobix, ("/init/0/11/0/11/0/11/0", None), ("/init/0/22/0", None))
        until_blocked(pair[0], 2)
        database.run("ROLLBACK")
        results = responses(waiting)
    assert results[0] == results[1]
    assert results[0][1] in (
        {"0": 0, "1": 11, "2": 0, "3": 11, "4": 0, "5": 11, "6": 0},
        {"0": 0, "1": 22, "2": 0},
    )  # fmt: skip
    assert ApiClient(pair[1].url, jobix)("/init").json() == results[0][1]


@pytest.mark.parametrize("path", ["/heartbeat", "/update_jobs"])
def test_reports_in_opposite_orders_do_not_deadlock(pair, pool, jobix, path):
    api = ApiClient(pair[0].url, jobix)
    api("/set", {"1": {}, "2": {}, "3": {}})
    target, outcomes = ({}, {"held"}) if path == "/heartbeat" else ({"jobstage": 2}, {200})
    held = [{"jobid": job["jobid"], "claim": job["claim"]} | target for job in api("/get/0?n=3").json()]
    with opened(pair[0]) as database:
        hold(database, LOCK_JOB_3.format(api("/get").json()["list"]))
        orders = [held[0], held[2], held[1]], [held[1], held[2], held[0]]
        waiting = both(pool, pair, jobix, *[(path, order) for order in orders])
        until_blocked(pair[0], 2)
        database.run("COMMIT")
    results = responses(waiting)
    assert [status for status, _content in results] == [200, 200]
    assert [[outcome["jobid"] for outcome in content["jobs"]] for _status, content in results] == [[1, 3, 2], [2, 3, 1]]
    assert {
        outcome.get("state", outcome.get("status")) for _status, content in results for outcome in content["jobs"]
    } == outcomes


def test_a_long_poll_survives_a_failed_query(pair, pool, jobix):
    """The query runs in a thread, whose error must not end the long poll."""
    first, second = pair
    ApiClient(first.url, jobix)("/init")
    response = pool.submit(ApiClient(first.url, jobix), f"/get/0?wait={2 * RESPONSE_S}")
    with opened(first) as database:
        log_start = first.log.stat().st_size
        database.run("ALTER TABLE stage_count RENAME TO stage_count_away")
        until(lambda: b'"stage_count" does not exist' in first.log.read_bytes()[log_start:])
        database.run("ALTER TABLE stage_count_away RENAME TO stage_count")
    ApiClient(second.url, jobix)("/set", {"7": {}})
    assert response.result(RESPONSE_S).json()["jobid"] == 7


def test_two_servers_never_assign_the_same_id(pair, pool, jobix):
    """Lists and objects at once: no job is lost, because each server sees the ids of the other."""
    api = ApiClient(pair[0].url, jobix)
    api("/init")
    turns, jobs = 12, 25

    def add(number):
        own = ApiClient(pair[number % 2].url, jobix)
        new = 0
        for turn in range(turns):
            names = [f"{number}-{turn}-{job}" for job in range(jobs)]
            new += own("/set", [{"name": name, "jobcmd": name} for name in names]).json()["new"]
        return new

    assert list(pool.map(add, range(4))) == [turns * jobs] * 4
    total = 4 * turns * jobs
    claimed = [job for _ in range(2) for job in api("/get/0?n=1000").json()]
    assert sorted(job["jobid"] for job in claimed) == list(range(total))
    assert all(job["name"] == job["jobcmd"] for job in claimed)


def test_a_list_waits_for_the_ids_of_another_server(pair, pool, jobix):
    """Both requests are under way at once, stopped by a lock on the counters, before either has committed."""
    api = ApiClient(pair[0].url, jobix)
    api("/set", {"0": {}})
    with opened(pair[0]) as database:
        hold(database, "SELECT * FROM stage_count FOR UPDATE")
        waiting = [pool.submit(api, "/set", {"1": {}, "2": {}})]
        until_blocked(pair[0])  # the first set has the ids that the second would get without it
        waiting.append(pool.submit(ApiClient(pair[1].url, jobix), "/set", [{"name": "a"}, {"name": "b"}]))
        until_blocked(pair[0], 2)
        database.run("COMMIT")
    assert [content["new"] for _status, content in responses(waiting)] == [2, 2]
    assert sum(stage["jobs"] for stage in api("/get").json()["stages"].values()) == 5
