"""The sweep flags each overdue job once, but no job that another server has renewed or flagged."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.late import expire
from tests.support.postgresql import make_postgresql_database
from tests.support.server import Asker, Server
from tests.support.snapshot import jobs, opened
from tests.support.waiting import until_blocked

LIST = "(SELECT id FROM job_list WHERE name = ?)"


@pytest.fixture(scope="module")
def still(kind, request, tmp_path_factory):
    """A server that sweeps on request, and rarely by itself."""
    uri = "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
    server = Server(tmp_path_factory.mktemp("still"), uri, sweep_every_s="3600").start()
    yield server
    server.kill()


@pytest.fixture
def ask(still, jobix):
    """Requests to that server, for a list with ten hours for the work."""
    ask = Asker(still.url, jobix)
    ask("/init/600/600")
    return ask


def rows(ask, still):
    """The list's jobs in the database, after a check of the counters."""
    return jobs(still, ask("/get").json()["list"])


def test_one_sweep_flags_every_overdue_job(ask, still):
    ask("/set", {str(jobid): {"jobstage": 1} for jobid in range(1200)})
    with opened(still) as database:
        database.run(f"UPDATE job SET deadline = 1 WHERE list_id = {LIST}", ask("/get").json()["list"])
    assert ask("/check_stages").json()["flagged"] == 1200
    assert ask("/check_stages/1/0").json() == {"ok": True, "flagged": 0, "degraded": 1200}


def test_later_sweeps_ignore_failed_and_flagged_jobs(ask, still):
    ask("/lifetime/3/600?max_attempts=1")
    ask("/set", {"1": {"jobstage": 3}, "2": {"jobstage": 1}})
    expire(still, ask, 1, 2)
    assert ask("/check_stages").json()["flagged"] == 2
    before = rows(ask, still)
    ask("/set", {"3": {"jobstage": 1}})
    expire(still, ask, 3)
    assert ask("/check_stages").json()["flagged"] == 3
    after = rows(ask, still)
    assert {jobid: after[jobid] for jobid in before} == before
    assert ask("/get").json()["failed"] == 1


def test_an_overdue_available_job_counts_no_failure(ask, still):
    ask("/lifetime/0/600?max_attempts=1")
    ask("/lifetime/1/600?max_attempts=1")
    ask("/set", {"1": {}})
    expire(still, ask, 1)
    assert ask("/check_stages").json()["flagged"] == 1
    assert (ask("/get").json()["failed"], rows(ask, still)[1]["failures"]) == (0, 0)
    assert ask("/get/0").json()["jobid"] == 1
    assert ask("/check_stages").json()["flagged"] == 0


ELSEWHERE = {
    "renewed": ["UPDATE job SET deadline = 4000000000000 WHERE list_id = {list}"],
    "flagged": [
        "UPDATE job SET overdue = 1, failures = failures + 1 WHERE list_id = {list}",
        "UPDATE stage_count SET flagged = flagged + 1 WHERE stage = 1 AND list_id = {list}",
    ],
    "ended": [
        "UPDATE job SET jobstage = 2, previous_stage = 1, claim = NULL, deadline = NULL WHERE list_id = {list}",
        "UPDATE stage_count SET jobs = jobs - 1 WHERE stage = 1 AND list_id = {list}",
        "INSERT INTO stage_count (list_id, stage, jobs, flagged, failed) VALUES ({list}, 2, 1, 0, 0)",
    ],
}


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)  # SQLite has one writer: there is no such moment
@pytest.mark.parametrize("way", ["", "?requeue=0", "?max_attempts=1"])
@pytest.mark.parametrize("change", ELSEWHERE)
def test_a_sweep_leaves_a_job_that_another_server_changes(ask, still, change, way):
    ask(f"/lifetime/1/600{way}")
    ask("/set", {"1": {}})
    ask("/get/0")
    expire(still, ask, 1)
    name = ask("/get").json()["list"]
    with opened(still) as other, ThreadPoolExecutor(1) as pool:
        other.run("BEGIN")
        for sql in ELSEWHERE[change]:
            other.run(sql.format(list=LIST), name)
        before = other.jobs(name)
        answer = pool.submit(ask, "/check_stages")
        until_blocked(still)
        other.run("COMMIT")
        assert answer.result(10).json()["flagged"] == (change == "flagged")
    assert rows(ask, still) == before
