"""The sweep flags each overdue job once, but no job that another server has renewed or flagged."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.expire import expire
from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient, Server
from tests.support.snapshot import jobs, opened
from tests.support.until import until_blocked

LIST = "(SELECT id FROM job_list WHERE name = ?)"


@pytest.fixture(scope="module")
def server_without_sweeps(kind, request, tmp_path_factory):
    """A server that sweeps on request, and rarely by itself."""
    uri = "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
    server = Server(tmp_path_factory.mktemp("still"), uri, sweep_every_s="3600").start()
    yield server
    server.kill()


@pytest.fixture
def api(server_without_sweeps, jobix):
    """Requests to that server, for a list with ten hours for the work."""
    api = ApiClient(server_without_sweeps.url, jobix)
    api("/init/600/600")
    return api


def rows(api, server_without_sweeps):
    """The list's jobs in the database, after a check of the counters."""
    return jobs(server_without_sweeps, api("/get").json()["list"])


def test_one_sweep_flags_every_overdue_job(api, server_without_sweeps):
    api("/set", {str(jobid): {"jobstage": 1} for jobid in range(1200)})
    with opened(server_without_sweeps) as database:
        database.run(f"UPDATE job SET deadline = 1 WHERE list_id = {LIST}", api("/get").json()["list"])
    assert api("/check_stages").json()["flagged"] == 1200
    assert api("/check_stages/1/0").json() == {"ok": True, "flagged": 0, "degraded": 1200}


def test_later_sweeps_ignore_failed_and_flagged_jobs(api, server_without_sweeps):
    api("/lifetime/3/600?max_attempts=1")
    api("/set", {"1": {"jobstage": 3}, "2": {"jobstage": 1}})
    expire(server_without_sweeps, api, 1, 2)
    assert api("/check_stages").json()["flagged"] == 2
    before = rows(api, server_without_sweeps)
    api("/set", {"3": {"jobstage": 1}})
    expire(server_without_sweeps, api, 3)
    assert api("/check_stages").json()["flagged"] == 3
    after = rows(api, server_without_sweeps)
    assert {jobid: after[jobid] for jobid in before} == before
    assert api("/get").json()["failed"] == 1


def test_an_overdue_available_job_counts_no_failure(api, server_without_sweeps):
    api("/lifetime/0/600?max_attempts=1")
    api("/lifetime/1/600?max_attempts=1")
    api("/set", {"1": {}})
    expire(server_without_sweeps, api, 1)
    assert api("/check_stages").json()["flagged"] == 1
    assert (api("/get").json()["failed"], rows(api, server_without_sweeps)[1]["failures"]) == (0, 0)
    assert api("/get/0").json()["jobid"] == 1
    assert api("/check_stages").json()["flagged"] == 0


CHANGES_BY_OTHERS = {
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


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)  # SQLite has one writer, so this cannot happen
@pytest.mark.parametrize("query", ["", "?requeue=0", "?max_attempts=1"])
@pytest.mark.parametrize("change", CHANGES_BY_OTHERS)
def test_a_sweep_leaves_a_job_that_another_server_changes(api, server_without_sweeps, change, query):
    api(f"/lifetime/1/600{query}")
    api("/set", {"1": {}})
    api("/get/0")
    expire(server_without_sweeps, api, 1)
    name = api("/get").json()["list"]
    with opened(server_without_sweeps) as connection, ThreadPoolExecutor(1) as pool:
        connection.run("BEGIN")
        for sql in CHANGES_BY_OTHERS[change]:
            connection.run(sql.format(list=LIST), name)
        before = connection.jobs(name)
        response = pool.submit(api, "/check_stages")
        until_blocked(server_without_sweeps)
        connection.run("COMMIT")
        assert response.result(10).json()["flagged"] == (change == "flagged")
    assert rows(api, server_without_sweeps) == before
