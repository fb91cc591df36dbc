"""A failed job stays in its stage until it is retried."""

import pytest


@pytest.fixture
def failed(api):
    """Two jobs failed in stage 1, at their only attempt."""
    api("/init/0/60/0")
    api("/lifetime/1/60?max_attempts=1")
    api("/set", {"1": {}, "2": {}})
    for jobid in (1, 2):
        assert api("/get/0").json()["jobid"] == jobid
        assert api(f"/update_job/{jobid}/0", {"error": "no memory"}).json()["failed"]
    return api


def test_a_failed_job_is_not_advanced_without_token(failed):
    response = failed("/update_job/1/2")
    assert (response.status_code, response.json()["error"]) == (409, "wrong_stage")
    outcomes = failed("/update_jobs", [{"jobid": jobid, "jobstage": 2} for jobid in (1, 2)]).json()["jobs"]
    assert [(outcome["status"], outcome["error"]) for outcome in outcomes] == [(409, "wrong_stage")] * 2
    counted = failed("/get").json()
    assert (counted["failed"], counted["done"]) == (2, 0)


def test_a_failed_job_is_retried_by_a_report_without_token(failed):
    assert failed("/update_job/1/0").json()["jobstage"] == 0
    assert failed("/update_jobs", [{"jobid": 2, "jobstage": 0}]).json()["jobs"][0]["status"] == 200
    jobs = failed("/get/0?n=2").json()
    assert [(job["jobid"], job["attempt"]) for job in jobs] == [(1, 1), (2, 1)]
    assert failed("/update_job/1/2", claim=jobs[0]["claim"]).status_code == 200
    assert failed("/get").json()["failed"] == 0
