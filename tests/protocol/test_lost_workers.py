"""A job that was lost with three different workers is held: it fails, and its error names the workers."""

import re

import pytest

from tests.support.expire import expire
from tests.support.snapshot import jobs, opened

LEASE = "lease_s=60"


@pytest.fixture(autouse=True)
def consistent(shared, api):
    """Checks the counters at the end."""
    yield
    name = api("/get").json()["list"]
    with opened(shared) as database:
        assert database.counters(name) == database.recount(name)


@pytest.fixture
def lose(api, shared):
    """Claims a job with each of these workers, which then disappear."""

    def lose(*workers, n=1, sweeps=1):
        for worker in workers:
            headers = {} if worker is None else {"worker": worker}
            claimed = api(f"/get/0?{LEASE}&n={n}", **headers).json()
            assert len(claimed) == n
            jobids = [job["jobid"] for job in claimed]
            for first in range(sweeps):
                expire(shared, api, *jobids[first::sweeps])
                api("/check_stages")

    return lose


def job(api, shared, jobid=1):
    """The row of a job."""
    return jobs(shared, api("/get").json()["list"])[jobid]


@pytest.fixture
def create(api):
    """Creates a list with some jobs."""

    def create(max_attempts=10, n=1):
        api("/init/0/60")
        api(f"/lifetime/1/60?max_attempts={max_attempts}")
        api("/set", {str(jobid): {} for jobid in range(1, n + 1)})

    return create


@pytest.mark.parametrize("max_attempts", [0, 3, 10])
def test_a_job_that_three_workers_were_lost_with_is_held_with_its_evidence(create, lose, api, shared, max_attempts):
    create(max_attempts)
    lose("node1:1", "node2:1")
    assert job(api, shared)["outcome"] == "none"
    lose("node1:7")
    held = job(api, shared)
    assert (held["jobstage"], held["outcome"], held["condition"], held["failures"]) == (1, "failed", "lost", 3)
    time = r"\(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    assert re.match(
        rf"lost with 3 different workers: node1:1 {time}, node2:1 {time}, node1:7 {time}\. Each of them ended",
        held["error"],
    )
    assert api("/get/0").json() == "nada"
    page = api(f"/job/1?list={api('/get').json()['list']}").text
    assert "node1:1 (20" in page
    assert "retry the job" in page
    assert api("/retry_jobs", {"jobs": [1]}).json()["jobs"] == 1
    api("/lifetime/1/60?max_attempts=10")
    lose("node4:1", "node4:1", "node4:1")
    assert job(api, shared)["outcome"] == "none"  # the losses before the retry do not count


def test_one_worker_that_dies_three_times_does_not_hold_the_job(create, lose, api, shared):
    create()
    lose("node1:1", "node1:1", "node1:1", "node2:1", "node1:1")
    assert (job(api, shared)["outcome"], job(api, shared)["failures"]) == ("none", 5)
    lose("node3:1")
    held = job(api, shared)
    assert held["outcome"] == "failed"
    assert held["error"].count("node1:1") == 1


def test_workers_without_a_name_do_not_hold_a_job(create, lose, api, shared):
    create()
    lose(None, "node1:1", None, "node2:1", None)
    assert (job(api, shared)["outcome"], job(api, shared)["failures"]) == ("none", 5)


def test_with_fewer_attempts_the_job_fails_after_the_last_one(create, lose, api, shared):
    create(max_attempts=2)
    lose("node1:1", "node2:1")
    failed = job(api, shared)
    assert (failed["outcome"], failed["condition"]) == ("failed", "lost")
    assert failed["error"] == "lost: its worker did not renew the lease"


def test_reported_errors_and_ended_lifetimes_are_no_lost_workers(create, lose, api, shared):
    create()
    lose("node1:1", "node2:1")
    for worker in ("node3:1", "node4:1", "node5:1"):
        claimed = api(f"/get/0?{LEASE}", worker=worker).json()
        api("/update_job/1/0", {"error": "lost"}, claim=claimed["claim"])
    assert job(api, shared)["outcome"] == "none"
    lose("node2:1")
    assert (job(api, shared)["outcome"], job(api, shared)["failures"]) == ("none", 6)


def test_a_success_ends_the_count(api, shared, lose):
    api("/init/0/60/0/60")
    api("/set", {"1": {}})
    lose("node1:1", "node2:1")
    claimed = api(f"/get/0?{LEASE}", worker="node3:1").json()
    api("/update_job/1/2", claim=claimed["claim"])
    api(f"/get/2?{LEASE}", worker="node4:1")
    expire(shared, api, 1)
    api("/check_stages")
    assert (job(api, shared)["outcome"], job(api, shared)["failures"]) == ("none", 1)


@pytest.mark.parametrize("sweeps", [1, 2])
def test_workers_that_held_several_jobs_prove_nothing_about_one_of_them(create, lose, api, shared, sweeps):
    create(n=2)
    lose("node1:1", "node2:1", "node3:1", "node4:1", n=2, sweeps=sweeps)
    assert [job(api, shared, jobid)["outcome"] for jobid in (1, 2)] == ["none", "none"]
    lose("node5:1", "node6:1")  # job 1, alone
    lose("node7:1", n=2, sweeps=sweeps)
    assert job(api, shared)["outcome"] == "none"
    lose("node8:1")
    assert [job(api, shared, jobid)["outcome"] for jobid in (1, 2)] == ["failed", "none"]
    assert "node4" not in job(api, shared)["error"]


def test_a_cancelled_job_is_cancelled_and_not_held(create, lose, api, shared):
    create()
    lose("node1:1", "node2:1")
    api(f"/get/0?{LEASE}", worker="node3:1")
    assert api("/cancel_jobs", {"jobs": [1]}).json()["requested"] == 1
    expire(shared, api, 1)
    api("/check_stages")
    assert job(api, shared)["outcome"] == "cancelled"
