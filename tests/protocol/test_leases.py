"""A lease: a job whose worker does not renew returns to the stage that it came from; the lifetime stays a limit."""

import time

from tests.support.snapshot import jobs
from tests.support.until import until

LEASE = "lease_s=0.3"


def test_a_job_returns_when_its_worker_does_not_renew_the_lease(api, shared):
    api("/init/0/0/0/10")  # also without a lifetime, and without requeue
    api("/set", {"1": {"jobstage": 2}})
    assert api(f"/get/2?{LEASE}").json()["attempt"] == 1
    again = until(lambda: (job := api(f"/get/2?{LEASE}&wait=5").json()) != "nada" and job)
    assert (again["jobid"], again["jobstage"], again["attempt"]) == (1, 2, 2)
    assert jobs(shared, api("/get").json()["list"])[1]["failures"] == 1


def test_renewals_keep_a_claim_beyond_its_lease(api):
    api("/init/0/10")
    api("/set", {"1": {}})
    job = api("/get/0?lease_s=2").json()
    held = [{"jobid": 1, "claim": job["claim"]}]
    for _ in range(6):
        time.sleep(0.5)
        assert api("/heartbeat", held).json()["jobs"][0]["state"] == "held"
    assert api("/update_job/1/2", claim=job["claim"]).status_code == 200


def test_renewals_do_not_extend_the_lifetime_of_a_claim_with_a_lease(api):
    api("/init/0/0.02")  # 1.2 s
    api("/set", {"1": {}})
    job = api("/get/0?lease_s=60").json()
    assert job["deadline"] == job["time_limit"]
    held = [{"jobid": 1, "claim": job["claim"]}]
    assert api("/heartbeat", held).json()["jobs"][0]["deadline"] == job["time_limit"]
    until(lambda: api("/heartbeat", held).json()["jobs"][0]["state"] == "lost")


def test_a_claim_without_a_lease_is_renewed_for_its_whole_lifetime(api):
    api("/init/0/10")
    api("/set", {"1": {}})
    job = api("/get/0").json()
    assert "time_limit" not in job
    renewed = api("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()["jobs"][0]
    assert renewed["state"] == "held"
    assert renewed["deadline"] >= job["deadline"]
