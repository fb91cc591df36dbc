"""After an outage longer than lifetimes and leases, running jobs keep their claims for a time."""

import re
import signal
import time

import pytest

from tests.support.full_disk import full_disk
from tests.support.outage import age, age_jobs
from tests.support.server import ApiClient, Server
from tests.support.snapshot import jobs, opened, rows
from tests.support.until import until

LIFETIME_S = 3.6
SWEEPS_S = 0.5  # several sweeps
HOUR_S = 3600
RECORDED = "SELECT value FROM metadata WHERE name = 'last_sweep'"
ENDS = "SELECT kind, message FROM event WHERE kind NOT IN ('created', 'lifetime', 'submitted', 'claimed')"


def until_recorded(server: Server) -> None:
    """Waits until the time of a sweep is in the database."""
    until(lambda: rows(server, RECORDED))


def restart(server: Server, outage_s: float) -> float:
    """Kills the server, and starts it after what seems to be an outage of this length. Returns the time of its start,
    in ms."""
    until_recorded(server)
    server.kill()
    age(server, outage_s)
    server.start()
    return time.time() * 1000


def row(server: Server, api: ApiClient, jobid: int = 1) -> dict[str, object]:
    """The database row of a job."""
    return jobs(server, api("/get").json()["list"])[jobid]


@pytest.fixture
def api(server: Server, jobix: int) -> ApiClient:
    """Requests to the test's own server."""
    return ApiClient(server.url, jobix)


def test_every_job_that_ran_during_an_outage_can_be_reported(server, api):
    """20 jobs: ten of founding workers, ten with leases, five of them shorter than the lifetime."""
    api(f"/lifetime/1/{LIFETIME_S / 60}?requeue=0&max_attempts=1")
    api("/set", {str(jobid): {} for jobid in range(20)})
    claimed = [api("/get/0").json() for _ in range(10)]
    claimed += [api(f"/get/0?lease_s={lease_s}").json() for lease_s in (2, 60) for _ in range(5)]
    assert {job["attempt"] for job in claimed} == {1}
    server.kill()
    time.sleep(2 * LIFETIME_S + 0.1)
    server.start()
    time.sleep(SWEEPS_S)
    proofs = [{"claim": job["claim"]} for job in claimed[10:]]
    held = [{"jobid": job["jobid"], **proof} for job, proof in zip(claimed[10:], proofs, strict=True)]
    assert {job["state"] for job in api("/heartbeat", held).json()["jobs"]} == {"held"}
    for job, proof in zip(claimed, [{}] * 10 + proofs, strict=True):
        assert api(f"/update_job/{job['jobid']}/2", {"result": 1}, **proof).status_code == 200
    assert set(rows(server, ENDS)) == {("completed", None)}


def test_a_server_that_was_suspended_gives_the_same_time(server, api):
    api("/init/0/0")
    api("/set", {"1": {}})
    job = api("/get/0?lease_s=2").json()
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(6)
    server.process.send_signal(signal.SIGCONT)
    time.sleep(SWEEPS_S)
    held = [{"jobid": 1, "claim": job["claim"]}]
    assert api("/heartbeat", held).json()["jobs"][0]["state"] == "held"
    assert api("/update_job/1/2", claim=job["claim"]).status_code == 200
    assert rows(server, ENDS) == [("completed", None)]


def test_a_full_disk_is_an_outage(server, api):
    """The server runs, but can store neither renewals nor results."""
    api("/init/0/0")
    api("/set", {"1": {}})
    job = api("/get/0?lease_s=2").json()
    held = [{"jobid": 1, "claim": job["claim"]}]
    with full_disk(server):
        time.sleep(8)
        assert api("/heartbeat", held).status_code == 503
    until(lambda: "1 job does not expire" in server.log.read_text())
    assert api("/heartbeat", held).json()["jobs"][0]["state"] == "held"
    assert rows(server, ENDS) == []


def test_a_claim_beyond_its_lifetime_can_be_renewed_before_the_first_sweep(new_server, jobix):
    server = new_server(sweep_every_s="3600").start()
    api = ApiClient(server.url, jobix)
    api("/init/0/0.0005")  # 30 ms
    api("/set", {"1": {}})
    job = api("/get/0?lease_s=60").json()
    time.sleep(0.1)
    held = [{"jobid": 1, "claim": job["claim"]}]
    assert api("/heartbeat", held).json()["jobs"] == [{"jobid": 1, "state": "held", "deadline": job["time_limit"]}]
    assert api("/update_job/1/2", claim=job["claim"]).status_code == 200


@pytest.mark.parametrize(("outage_s", "grace_s"), [(10, 5 * 60), (30 * 60, 30 * 60), (10 * HOUR_S, HOUR_S)])
def test_the_time_is_the_setting_or_the_length_of_the_outage_up_to_an_hour(server, api, outage_s, grace_s):
    api("/init/0/0.1")
    api("/set", {"1": {}, "2": {}})
    api("/get/0")
    api("/get/0?lease_s=2")
    started_ms = restart(server, outage_s)
    [logged_s] = until(lambda: re.findall(r"outage of (\d+) s: 2 jobs do not expire before", server.log.read_text()))
    assert 0 <= int(logged_s) - outage_s < 10
    for jobid in (1, 2):
        assert 0 <= row(server, api, jobid)["deadline"] - started_ms - 1000 * grace_s < 10_000
    assert row(server, api, 1)["lifetime_end"] is None
    assert row(server, api, 2)["lifetime_end"] > row(server, api, 2)["deadline"]


def test_the_length_of_an_outage_without_a_recorded_sweep_is_the_time_of_the_first_overdue_job(new_server, jobix):
    """The server was killed within seconds after the first claim."""
    server = new_server(grace_minutes="0").start()
    api = ApiClient(server.url, jobix)
    api("/init/0/0")
    api("/set", {"1": {}})
    api("/get/0?lease_s=2")
    until_recorded(server)
    server.kill()
    age(server, 30)
    with opened(server) as database:
        database.run("DELETE FROM metadata WHERE name = 'last_sweep'")
    server.start()
    started_ms = time.time() * 1000
    until(lambda: "after an outage of unknown length: 1 job does" in server.log.read_text())
    assert 25_000 < row(server, api)["deadline"] - started_ms < 60_000


def test_a_long_interval_between_two_sweeps_is_no_outage(new_server, jobix):
    """The sweeper waits up to 1.2 times its interval."""
    server = new_server(sweep_every_s="30").start()
    api = ApiClient(server.url, jobix)
    api("/init/0/0")
    api("/set", {"1": {}})
    api("/get/0?lease_s=2")
    server.kill()
    age_jobs(server, 60)
    with opened(server) as database:
        last_sweep = round(time.time() * 1000) - 35_000
        database.run("INSERT INTO metadata (name, value) VALUES ('last_sweep', ?)", str(last_sweep))
    assert server.run("sweep").stdout.startswith("1 overdue jobs")


def test_longer_deadlines_do_not_change(server, api):
    api("/init/0/600")
    api("/set", {"1": {}})
    api("/get/0?lease_s=30000")
    before = row(server, api)
    restart(server, 60)
    time.sleep(SWEEPS_S)
    after = row(server, api)
    assert [before[name] - after[name] for name in ("deadline", "lifetime_end")] == [60_000, 60_000]
    assert "outage" not in server.log.read_text()


def test_the_end_of_one_of_two_servers_is_no_outage(new_server, jobix, database_uri, tmp_path):
    own = {"database_uri": database_uri or f"sqlite:///{tmp_path / 'both.sqlite'}", "secret_key": "the same for both"}
    first = new_server(**own).start()
    api = ApiClient(first.url, jobix)
    api("/init/0/0")
    api("/set", {"1": {}})
    api("/get/0?lease_s=100")
    until_recorded(first)
    second = new_server(**own).start()
    age_jobs(second, 60)
    first.kill()
    before = rows(second, RECORDED)
    until(lambda: rows(second, RECORDED) != before)
    assert "outage" not in second.log.read_text()


def test_the_jobs_of_dead_workers_return_after_the_time(new_server, jobix):
    """The lease and the lifetime were over in the outage: the job is lost, as without the outage. It is not flagged."""
    server = new_server(grace_minutes="0").start()
    api = ApiClient(server.url, jobix)
    api("/init/0/0.08/0/0.08")
    api("/lifetime/3/0.08?requeue=2")
    api("/set", {"1": {}, "2": {"jobstage": 2}})
    api("/get/0?lease_s=4.5")
    api("/get/2")
    started_ms = restart(server, 5)
    again = until(lambda: (job := api("/get/0?wait=10").json()) != "nada" and job)
    assert (again["jobid"], again["attempt"]) == (1, 2)
    assert time.time() * 1000 - started_ms > 4500
    assert until(lambda: (job := api("/get/2?wait=10").json()) != "nada" and job)["attempt"] == 2
    assert set(rows(server, ENDS)) == {("requeued", "lost"), ("requeued", "expired")}


def test_waiting_jobs_do_not_expire_either_and_pauses_end_as_before(server, api):
    """Nobody could claim the waiting job."""
    api("/init/0/0/0.1")
    api("/lifetime/2/0.1?requeue=0")
    api("/lifetime/3/0?backoff_s=60")
    api("/set", {"1": {"jobstage": 2}, "2": {"jobstage": 3}})
    assert api("/update_job/2/2", {"error": "it broke"}).json()["jobstage"] == 2
    restart(server, 90)
    until(lambda: " 1 job does not expire before" in server.log.read_text())
    until(lambda: row(server, api, 2)["hold"] == "none")
    assert row(server, api)["jobstage"] == 2


def test_the_time_of_a_sweep_is_recorded_only_while_jobs_have_deadlines(server, api):
    api("/init/0/0")
    api("/set", {"1": {}})
    api("/get/0")
    time.sleep(SWEEPS_S)
    assert not rows(server, RECORDED)
    api("/lifetime/1/600")
    until_recorded(server)
