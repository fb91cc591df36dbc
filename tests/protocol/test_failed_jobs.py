"""A failed job stays in its stage until it is retried."""

import pytest


@pytest.fixture
def failed(ask):
    """Two jobs failed in stage 1, at their only attempt."""
    ask("/init/0/60/0")
    ask("/lifetime/1/60?max_attempts=1")
    ask("/set", {"1": {}, "2": {}})
    for jobid in (1, 2):
        assert ask("/get/0").json()["jobid"] == jobid
        assert ask(f"/update_job/{jobid}/0", {"error": "no memory"}).json()["failed"]
    return ask


def test_a_failed_job_is_not_advanced_without_token(failed):
    answer = failed("/update_job/1/2")
    assert (answer.status_code, answer.json()["error"]) == (409, "wrong_stage")
    answer = failed("/update_jobs", [{"jobid": jobid, "jobstage": 2} for jobid in (1, 2)]).json()["jobs"]
    assert [(one["status"], one["error"]) for one in answer] == [(409, "wrong_stage")] * 2
    counted = failed("/get").json()
    assert (counted["failed"], counted["done"]) == (2, 0)


def test_a_failed_job_is_retried_by_a_report_without_token(failed):
    assert failed("/update_job/1/0").json()["jobstage"] == 0
    assert failed("/update_jobs", [{"jobid": 2, "jobstage": 0}]).json()["jobs"][0]["status"] == 200
    jobs = failed("/get/0?n=2").json()
    assert [(job["jobid"], job["attempt"]) for job in jobs] == [(1, 1), (2, 1)]
    assert failed("/update_job/1/2", claim=jobs[0]["claim"]).status_code == 200
    assert failed("/get").json()["failed"] == 0
