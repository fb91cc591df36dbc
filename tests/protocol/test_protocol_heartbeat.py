"""/heartbeat: renews held claims, and reports lost and cancelled ones."""

import uuid

import pytest

from tests.support.snapshot import jobs, opened


@pytest.fixture
def held(ask):
    """A list of two jobs with an hour for the work, the first held: the request maker, and the claimed job."""
    ask("/init/0/60")
    ask("/set", {"1": {}, "2": {}})
    return ask, ask("/get/0", claim=uuid.uuid4().hex).json()


def beat(ask, *pairs):
    """Sends a heartbeat. Returns the states in order."""
    answer = ask("/heartbeat", [{"jobid": jobid, "claim": claim} for jobid, claim in pairs]).json()["jobs"]
    assert [one["jobid"] for one in answer] == [jobid for jobid, _claim in pairs]
    return [one["state"] for one in answer]


def overdue(shared, ask, minutes=90):
    """Turns the clock of the list's jobs back, as if they had been claimed earlier."""
    with opened(shared) as database:
        sql = """UPDATE job SET deadline = deadline - ?, renewed = renewed - ?, claimed = claimed - ?
            WHERE list_id = (SELECT id FROM job_list WHERE name = ?) AND deadline IS NOT NULL"""
        database.run(sql, *[minutes * 60_000] * 3, ask("/get").json()["list"])


def test_a_heartbeat_renews_the_deadline_from_now(held, shared):
    ask, job = held
    overdue(shared, ask, minutes=30)
    before = jobs(shared, ask("/get").json()["list"])[1]
    answer = ask("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()
    after = jobs(shared, ask("/get").json()["list"])[1]
    assert after["deadline"] >= before["deadline"] + 30 * 60_000
    assert after["deadline"] == after["renewed"] + 60 * 60_000
    assert after["datecommitted"] == before["datecommitted"]
    assert answer["jobs"][0]["state"] == "held"
    assert answer["jobs"][0]["deadline"] >= job["deadline"]


def test_a_claim_without_a_lifetime_has_no_deadline(ask):
    ask("/set", {"1": {}})
    claim = ask("/get/0").json()["claim"]
    answer = ask("/heartbeat", [{"jobid": 1, "claim": claim}]).json()
    assert answer == {"jobs": [{"jobid": 1, "state": "held", "deadline": None}]}


def test_each_claim_has_its_own_state_in_order(held):
    ask, job = held
    second = ask("/get/0").json()
    pairs = [(2, second["claim"]), (1, second["claim"]), (99, job["claim"]), (1, job["claim"]), (2, "no such claim")]
    assert beat(ask, *pairs) == ["held", "lost", "lost", "held", "lost"]


def test_a_heartbeat_clears_the_flag_of_a_held_job(held, shared):
    ask, job = held
    overdue(shared, ask)
    assert ask("/check_stages").json() == {"ok": False, "flagged": 1, "degraded": 0}
    assert beat(ask, (1, job["claim"])) == ["held"]
    assert ask("/check_stages").json() == {"ok": True, "flagged": 0, "degraded": 0}
    assert ask("/update_job/1/2", claim=job["claim"]).status_code == 200


def test_a_late_heartbeat_reverts_the_failure(held, shared):
    ask, job = held
    ask("/lifetime/1/60?max_attempts=2")
    for _late in range(3):
        overdue(shared, ask)
        assert ask("/check_stages").json()["flagged"] == 1
        assert beat(ask, (1, job["claim"])) == ["held"]
    assert "failed" not in ask("/update_job/1/0", {"error": "no disk"}, claim=job["claim"]).json()
    claim = ask("/get/0").json()["claim"]
    assert ask("/update_job/1/0", {"error": "no disk"}, claim=claim).json()["failed"]


def test_a_heartbeat_of_a_lost_claim_changes_nothing(held, shared):
    ask, job = held
    overdue(shared, ask)
    assert ask("/check_stages/1/0").json()["degraded"] == 1
    assert beat(ask, (1, job["claim"])) == ["lost"]
    other = ask("/get/0").json()
    before = jobs(shared, ask("/get").json()["list"])
    assert beat(ask, (1, job["claim"])) == ["lost"]
    assert jobs(shared, ask("/get").json()["list"]) == before
    assert beat(ask, (1, other["claim"])) == ["held"]


def test_a_heartbeat_of_an_ended_claim_returns_lost(held):
    ask, job = held
    ask("/update_job/1/2", claim=job["claim"])
    assert beat(ask, (1, job["claim"])) == ["lost"]


def test_a_cancelled_job_fails_at_the_next_error(held, shared):
    ask, job = held
    name = ask("/get").json()["list"]
    assert shared.run("cancel", name, "1").returncode == 0
    assert beat(ask, (1, job["claim"]), (1, job["claim"])) == ["cancel", "cancel"]
    answer = ask("/update_job/1/0", {"error": "cancelled"}, claim=job["claim"]).json()
    assert (answer["jobstage"], answer["failed"]) == (1, True)
    assert ask("/get/0").json()["jobid"] == 2
    assert shared.run("cancel", name, "1").returncode == 1


def test_a_worker_may_complete_a_cancelled_job(held, shared):
    ask, job = held
    shared.run("cancel", ask("/get").json()["list"], "1")
    assert ask("/update_job/1/2", claim=job["claim"]).json()["jobstage"] == 2


def test_claims_of_a_missing_list_are_lost(ask):
    assert beat(ask, (1, "a" * 16)) == ["lost"]
    assert ask("/heartbeat", []).json() == {"jobs": []}


@pytest.mark.parametrize("body", [{}, [7], [{}], [{"jobid": 1}], [{"jobid": 1, "claim": None}], [{"jobid": 1, "x": 1}]])
def test_a_body_that_is_not_a_list_of_claims_is_refused(held, body):
    ask, _job = held
    assert ask("/heartbeat", body).status_code == 400
