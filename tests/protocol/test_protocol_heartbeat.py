"""/heartbeat: renews held claims, and reports lost and cancelled ones."""

import uuid

import pytest

from tests.support.snapshot import jobs, opened


@pytest.fixture
def held(api):
    """A list of two jobs with an hour for the work, the first held: the API client and the claimed job."""
    api("/init/0/60")
    api("/set", {"1": {}, "2": {}})
    return api, api("/get/0", claim=uuid.uuid4().hex).json()


def send_heartbeat(api, *pairs):
    """Sends a heartbeat. Returns the states in order."""
    entries = api("/heartbeat", [{"jobid": jobid, "claim": claim} for jobid, claim in pairs]).json()["jobs"]
    assert [entry["jobid"] for entry in entries] == [jobid for jobid, _claim in pairs]
    return [entry["state"] for entry in entries]


def overdue(shared, api, minutes=90):
    """Moves the times of the list's jobs into the past, as if they had been claimed earlier."""
    with opened(shared) as database:
        sql = """UPDATE job SET deadline = deadline - ?, renewed = renewed - ?, claimed = claimed - ?
            WHERE list_id = (SELECT id FROM job_list WHERE name = ?) AND deadline IS NOT NULL"""
        database.run(sql, *[minutes * 60_000] * 3, api("/get").json()["list"])


def test_a_heartbeat_renews_the_deadline_from_now(held, shared):
    api, job = held
    overdue(shared, api, minutes=30)
    before = jobs(shared, api("/get").json()["list"])[1]
    response = api("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()
    after = jobs(shared, api("/get").json()["list"])[1]
    assert after["deadline"] >= before["deadline"] + 30 * 60_000
    assert after["deadline"] == after["renewed"] + 60 * 60_000
    assert after["datecommitted"] == before["datecommitted"]
    assert response["jobs"][0]["state"] == "held"
    assert response["jobs"][0]["deadline"] >= job["deadline"]


def test_a_claim_without_a_lifetime_has_no_deadline(api):
    api("/set", {"1": {}})
    claim = api("/get/0").json()["claim"]
    response = api("/heartbeat", [{"jobid": 1, "claim": claim}]).json()
    assert response == {"jobs": [{"jobid": 1, "state": "held", "deadline": None}]}


def test_each_claim_has_its_own_state_in_order(held):
    api, job = held
    second = api("/get/0").json()
    pairs = [(2, second["claim"]), (1, second["claim"]), (99, job["claim"]), (1, job["claim"]), (2, "no such claim")]
    assert send_heartbeat(api, *pairs) == ["held", "lost", "lost", "held", "lost"]


def test_a_heartbeat_clears_the_flag_of_a_held_job(held, shared):
    api, job = held
    overdue(shared, api)
    assert api("/check_stages").json() == {"ok": False, "flagged": 1, "degraded": 0}
    assert send_heartbeat(api, (1, job["claim"])) == ["held"]
    assert api("/check_stages").json() == {"ok": True, "flagged": 0, "degraded": 0}
    assert api("/update_job/1/2", claim=job["claim"]).status_code == 200


def test_a_late_heartbeat_reverts_the_failure(held, shared):
    api, job = held
    api("/lifetime/1/60?max_attempts=2")
    for _late in range(3):
        overdue(shared, api)
        assert api("/check_stages").json()["flagged"] == 1
        assert send_heartbeat(api, (1, job["claim"])) == ["held"]
    assert "failed" not in api("/update_job/1/0", {"error": "no disk"}, claim=job["claim"]).json()
    claim = api("/get/0").json()["claim"]
    assert api("/update_job/1/0", {"error": "no disk"}, claim=claim).json()["failed"]


def test_a_heartbeat_of_a_lost_claim_changes_nothing(held, shared):
    api, job = held
    overdue(shared, api)
    assert api("/check_stages/1/0").json()["degraded"] == 1
    assert send_heartbeat(api, (1, job["claim"])) == ["lost"]
    other = api("/get/0").json()
    before = jobs(shared, api("/get").json()["list"])
    assert send_heartbeat(api, (1, job["claim"])) == ["lost"]
    assert jobs(shared, api("/get").json()["list"]) == before
    assert send_heartbeat(api, (1, other["claim"])) == ["held"]


def test_a_heartbeat_of_an_ended_claim_returns_lost(held):
    api, job = held
    api("/update_job/1/2", claim=job["claim"])
    assert send_heartbeat(api, (1, job["claim"])) == ["lost"]


def test_a_cancelled_job_fails_at_the_next_error(held, shared):
    api, job = held
    name = api("/get").json()["list"]
    assert shared.run("cancel", name, "1").returncode == 0
    assert send_heartbeat(api, (1, job["claim"]), (1, job["claim"])) == ["cancel", "cancel"]
    response = api("/update_job/1/0", {"error": "cancelled"}, claim=job["claim"]).json()
    assert (response["jobstage"], response["failed"]) == (1, True)
    assert api("/get/0").json()["jobid"] == 2
    assert shared.run("cancel", name, "1").returncode == 1


def test_a_worker_may_complete_a_cancelled_job(held, shared):
    api, job = held
    shared.run("cancel", api("/get").json()["list"], "1")
    assert api("/update_job/1/2", claim=job["claim"]).json()["jobstage"] == 2


def test_claims_of_a_missing_list_are_lost(api):
    assert send_heartbeat(api, (1, "a" * 16)) == ["lost"]
    assert api("/heartbeat", []).json() == {"jobs": []}


@pytest.mark.parametrize("body", [{}, [7], [{}], [{"jobid": 1}], [{"jobid": 1, "claim": None}], [{"jobid": 1, "x": 1}]])
def test_a_body_that_is_not_a_list_of_claims_is_refused(held, body):
    api, _job = held
    assert api("/heartbeat", body).status_code == 400
