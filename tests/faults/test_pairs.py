"""Two servers on one PostgreSQL change the same things at once: a foreign lock stops both halfway, and its
release lets both continue together."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.postgresql import make_postgresql_database
from tests.support.server import Asker
from tests.support.snapshot import opened
from tests.support.stalled import answers, hold, started
from tests.support.waiting import blocked, until, until_blocked

SOON_S = 5  # a long poll queries every 0.25 s, and once more at its end
WANTED = "INSERT INTO job_list (name, jobix_hash, created) VALUES ('{}', 'x', 0)"
STARTED = """INSERT INTO lifetime (list_id, stage, lifetime_ms, max_attempts)
    SELECT id, 0, 0, 5 FROM job_list WHERE name = '{}'"""
THIRD = "SELECT * FROM job JOIN job_list ON job_list.id = list_id WHERE name = '{}' AND jobid = 3 FOR UPDATE OF job"


@pytest.fixture(scope="module")
def pair(postgresql, tmp_path_factory):
    """Two servers on a PostgreSQL without deadlock detection: a deadlock ends by the server's timeout, with a 503."""
    uri = make_postgresql_database(postgresql)
    made = list(started(tmp_path_factory.mktemp("pair"), uri, deadlock_timeout="1h"))
    yield made
    for server in made:
        server.kill()


@pytest.fixture
def pool():
    """Threads for concurrent requests."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


def both(pool, pair, jobix, *ways):
    """Sends one request (path, body) to each server. Returns the futures of the responses."""
    return [pool.submit(Asker(server.url, jobix), path, body) for server, (path, body) in zip(pair, ways, strict=True)]


def test_a_lifetime_set_during_a_claim_applies_to_it(pair, pool, jobix):
    one, other = pair
    ask = Asker(one.url, jobix)
    ask("/set", {"1": {}})
    name = ask("/get").json()["list"]
    with opened(one) as database:
        hold(database, "SELECT * FROM stage_count FOR UPDATE")
        claim = pool.submit(ask, "/get/0")
        until_blocked(one)
        lifetime = pool.submit(Asker(other.url, jobix), "/lifetime/1/10")
        until(lambda: lifetime.done() or blocked(one) == 2)
        database.run("COMMIT")
        assert (claim.result(30).json()["jobid"], lifetime.result(30).json()["minutes"]) == (1, 10)
        assert [job["deadline"] - job["renewed"] for job in database.jobs(name).values()] == [600_000]


def test_one_of_two_lists_gets_a_name_requested_at_once(pair, pool, jobix):
    name, secrets = f"wanted-{jobix}", [jobix, jobix ^ 1]
    for secret in secrets:
        Asker(pair[0].url, secret)("/init")
    with opened(pair[0]) as database:
        hold(database, WANTED.format(name))
        waiting = [
            pool.submit(Asker(server.url, secret), f"/init?name={name}")
            for server, secret in zip(pair, secrets, strict=True)
        ]
        until_blocked(pair[0], 2)
        database.run("ROLLBACK")
        told = sorted(answers(waiting), key=lambda answer: answer[0])
        assert [status for status, _said in told] == [200, 409]
        assert told[1][1]["error"] == "name_taken"


def test_two_servers_create_a_list_of_one_name_once(pair, pool, jobix):
    name = f"wanted-{jobix}"
    with opened(pair[0]) as database:
        hold(database, WANTED.format(name))
        waiting = both(pool, pair, jobix, *[(f"/init/0/10?name={name}", None)] * 2)
        until_blocked(pair[0], 2)
        database.run("ROLLBACK")
        assert answers(waiting) == [(200, {"0": 0, "1": 10, "2": 0})] * 2
        assert database.rows("SELECT COUNT(*) FROM job_list WHERE name = ?", name) == [(1,)]


def test_concurrent_changes_of_lifetimes_do_not_mix(pair, pool, jobix):
    ask = Asker(pair[0].url, jobix)
    ask("/init")
    name = ask("/get").json()["list"]
    with opened(pair[0]) as database:
        hold(database, STARTED.format(name))
        waiting = both(pool, pair, jobix, ("/init/0/11/0/11/0/11/0", None), ("/init/0/22/0", None))
        until_blocked(pair[0], 2)
        database.run("ROLLBACK")
        told = answers(waiting)
    assert told[0] == told[1]
    assert told[0][1] in (
        {"0": 0, "1": 11, "2": 0, "3": 11, "4": 0, "5": 11, "6": 0},
        {"0": 0, "1": 22, "2": 0},
    )  # fmt: skip
    assert Asker(pair[1].url, jobix)("/init").json() == told[0][1]


@pytest.mark.parametrize("path", ["/heartbeat", "/update_jobs"])
def test_reports_in_opposite_orders_do_not_deadlock(pair, pool, jobix, path):
    ask = Asker(pair[0].url, jobix)
    ask("/set", {"1": {}, "2": {}, "3": {}})
    target, outcomes = ({}, {"held"}) if path == "/heartbeat" else ({"jobstage": 2}, {200})
    held = [{"jobid": job["jobid"], "claim": job["claim"]} | target for job in ask("/get/0?n=3").json()]
    with opened(pair[0]) as database:
        hold(database, THIRD.format(ask("/get").json()["list"]))
        orders = [held[0], held[2], held[1]], [held[1], held[2], held[0]]
        waiting = both(pool, pair, jobix, *[(path, order) for order in orders])
        until_blocked(pair[0], 2)
        database.run("COMMIT")
    told = answers(waiting)
    assert [status for status, _said in told] == [200, 200]
    assert [[one["jobid"] for one in said["jobs"]] for _status, said in told] == [[1, 3, 2], [2, 3, 1]]
    assert {one.get("state", one.get("status")) for _status, said in told for one in said["jobs"]} == outcomes


def test_a_long_poll_survives_a_failed_query(pair, pool, jobix):
    """The query runs in a thread, whose error must not end the long poll."""
    one, other = pair
    Asker(one.url, jobix)("/init")
    answer = pool.submit(Asker(one.url, jobix), f"/get/0?wait={2 * SOON_S}")
    with opened(one) as database:
        begun = one.log.stat().st_size
        database.run("ALTER TABLE stage_count RENAME TO stage_count_away")
        until(lambda: b'"stage_count" does not exist' in one.log.read_bytes()[begun:])
        database.run("ALTER TABLE stage_count_away RENAME TO stage_count")
    Asker(other.url, jobix)("/set", {"7": {}})
    assert answer.result(SOON_S).json()["jobid"] == 7
