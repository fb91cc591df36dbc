"""/update_job: only its holder ends a claim, once, and a repeated report gets the same response."""

import json
import uuid

import pytest

from tests.support.server import ApiClient
from tests.support.snapshot import jobs, opened


@pytest.fixture
def one_job(api):
    """A list of one job."""
    api("/set", {"1": {"jobcmd": "first"}})
    return api


@pytest.fixture
def token():
    """A client token."""
    return uuid.uuid4().hex


def row(api, shared, jobid=1):
    """The job in the database, after a check of the counters."""
    return jobs(shared, api("/get").json()["list"])[jobid]


def refusal(response):
    """Status and code."""
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_completed_job_moves_to_the_next_even_stage(one_job, method):
    one_job("/get/0")
    response = one_job("/update_job/1/2", method=method).json()
    assert response == {"message": "Success, job 1 was updated to stage 2!", "jobid": 1, "jobstage": 2}
    assert one_job("/get").json()["done"] == 1


def test_the_data_of_a_report_is_stored(one_job, shared):
    claim = one_job("/get/0").json()["claim"]
    report = {"filename": "out/3.npy", "jobcmd": {"next": [1.50]}, "result": {"loss": 0.25}}
    one_job("/update_job/1/2", report, claim=claim)
    stored = row(one_job, shared)
    assert (stored["filename"], json.loads(stored["result"]), stored["claim"]) == ("out/3.npy", {"loss": 0.25}, None)
    assert one_job("/get/2").json()["jobcmd"] == {"next": [1.5]}


def test_a_report_keeps_the_fields_that_it_omits(one_job, shared):
    one_job("/get/0")
    one_job("/update_job/1/2", {"filename": "a.npy"})
    one_job("/get/2")
    one_job("/update_job/1/4", {})
    assert (row(one_job, shared)["filename"], row(one_job, shared)["jobcmd"]) == ("a.npy", '"first"')


def test_a_job_can_be_released_or_moved_to_a_lower_stage(api):
    api("/set", {"1": {"jobstage": 4}, "2": {"jobstage": 4}})
    api("/get/4?n=2")
    assert api("/update_job/1/4").json()["jobstage"] == 4
    assert api("/update_job/2/0").json()["jobstage"] == 0


@pytest.mark.parametrize("stage", [4, 6, 1_000_000])
def test_the_error_of_a_wrong_stage_names_the_allowed_ones(api, stage):
    api("/set", {"1": {}})
    claim = api("/get/0").json()["claim"]
    refused = api(f"/update_job/1/{stage}", claim=claim)
    assert refusal(refused) == (409, "wrong_stage")
    assert "2 (done) or a lower even stage (0: released)" in refused.json()["message"]


@pytest.mark.parametrize("stage", [1, 3, -2, "x", "", 10**30])
def test_a_next_stage_must_be_even(one_job, stage):
    one_job("/get/0")
    assert one_job(f"/update_job/1/{stage}").status_code in ((400,) if stage != "" else (404, 405))


def test_a_job_that_is_not_held_cannot_be_updated(one_job):
    assert refusal(one_job("/update_job/1/2")) == (409, "wrong_stage")
    assert refusal(one_job("/update_job/1/0")) == (409, "wrong_stage")


def test_a_missing_job_is_not_found(one_job, api):
    assert refusal(one_job("/update_job/2/2")) == (404, "no_such_job")


def test_a_job_of_another_list_is_not_found(one_job, shared, jobix):
    other = ApiClient(shared.url, (jobix + 1) % 2**63)
    claim = one_job("/get/0").json()["claim"]
    assert refusal(other("/update_job/1/2", claim=claim)) == (404, "no_such_job")


def test_a_stale_worker_cannot_advance_a_requeued_job(one_job, shared):
    stale = one_job("/get/0").json()["claim"]
    one_job("/update_job/1/0")  # a founding master requeues the job
    for _again in range(2):
        assert refusal(one_job("/update_job/1/2", {"filename": "corrupt"}, claim=stale)) == (409, "claim_lost")
    fresh = one_job("/get/0").json()["claim"]
    assert refusal(one_job("/update_job/1/2", {"filename": "corrupt"}, claim=stale)) == (409, "claim_lost")
    assert row(one_job, shared)["filename"] is None
    assert one_job("/update_job/1/2", claim=fresh).status_code == 200
    assert refusal(one_job("/update_job/1/2", {"filename": "corrupt"}, claim=stale)) == (409, "claim_lost")


def test_a_repeated_report_is_the_same_200(one_job, shared):
    claim = one_job("/get/0").json()["claim"]
    first = one_job("/update_job/1/2", {"filename": "a"}, claim=claim)
    before = row(one_job, shared)
    assert one_job("/update_job/1/2", {"filename": "b"}, claim=claim).json() == first.json()
    assert row(one_job, shared) == before


def test_a_repeated_report_is_200_after_the_next_stage_is_done(one_job, shared):
    claim = one_job("/get/0").json()["claim"]
    first = one_job("/update_job/1/2", claim=claim).json()
    other = one_job("/get/2").json()["claim"]
    assert one_job("/update_job/1/2", claim=claim).json() == first
    one_job("/update_job/1/4", claim=other)
    before = row(one_job, shared)
    assert one_job("/update_job/1/2", claim=claim).json() == first
    assert row(one_job, shared) == before
    assert refusal(one_job("/update_job/1/0", claim=claim)) == (409, "claim_lost")
    assert row(one_job, shared) == before


def test_a_repeated_release_leaves_the_job_with_its_new_worker(one_job):
    claim = one_job("/get/0").json()["claim"]
    one_job("/update_job/1/0", claim=claim)
    other = one_job("/get/0").json()["claim"]
    assert one_job("/update_job/1/0", claim=claim).status_code == 200
    assert one_job("/update_job/1/2", claim=other).status_code == 200


def test_a_founding_worker_reports_without_token(one_job):
    one_job("/get/0")
    assert one_job("/update_job/1/2").status_code == 200


def test_a_client_token_is_required_in_the_report(one_job, token):
    one_job("/get/0", claim=token)
    assert refusal(one_job("/update_job/1/2")) == (409, "claim_lost")
    assert refusal(one_job("/update_job/1/0")) == (409, "claim_lost")
    assert one_job("/update_job/1/2", claim=token).status_code == 200


def test_require_claim_refuses_a_report_without_token(new_server, jobix):
    api = ApiClient(new_server(require_claim="1").start().url, jobix)
    api("/set", {"1": {}, "2": {"jobstage": 1}})
    claim = api("/get/0").json()["claim"]
    assert refusal(api("/update_job/1/2")) == (409, "claim_lost")
    assert refusal(api("/update_job/1/0")) == (409, "claim_lost")
    assert refusal(api("/update_job/2/2")) == (409, "claim_lost")
    assert api("/update_job/2/0").status_code == 200  # not held: a master may requeue it
    assert api("/update_job/1/2", claim=claim).status_code == 200


def test_a_foreign_claim_proves_nothing(api):
    api("/set", {"1": {}, "2": {}})
    first, second = api("/get/0?n=2").json()
    assert refusal(api("/update_job/1/2", claim=second["claim"])) == (409, "claim_lost")
    assert refusal(api("/update_job/2/2", claim="0" * 32)) == (409, "claim_lost")
    assert api("/update_job/1/2", claim=first["claim"]).status_code == 200


def test_a_job_set_in_an_odd_stage_can_be_updated(api):
    api("/set", {"1": {"jobstage": 3}, "2": {"jobstage": 3}})
    assert api("/update_job/1/4").json()["jobstage"] == 4
    assert api("/update_job/2/0").json()["jobstage"] == 0


def test_an_update_can_return_the_next_job(api):
    api("/set", {"1": {}, "2": {"jobcmd": "two"}})
    api("/get/0")
    job = api("/update_job/1/2?next=0").json()["next"]
    assert (job["jobid"], job["jobcmd"], job["jobstage"], job["attempt"]) == (2, "two", 0, 1)
    assert api("/update_job/2/2?next=0", claim=job["claim"]).json()["next"] == "nada"
    assert api("/get").json()["done"] == 2


def test_the_next_job_can_be_the_one_that_was_just_finished(one_job):
    one_job("/get/0")
    assert one_job("/update_job/1/2?next=2").json()["next"]["jobid"] == 1


def test_a_repeated_update_returns_the_same_next_job(api, token):
    api("/set", {str(i): {} for i in range(1, 4)})
    claim = api("/get/0").json()["claim"]
    headers = {"claim": claim, "next_claim": token}
    first = api("/update_job/1/2?next=0", {"filename": "a"}, **headers).json()
    assert first["next"]["claim"] == token
    assert api("/update_job/1/2?next=0", {"filename": "a"}, **headers).json() == first
    assert api("/get").json()["working"] == 1


def test_a_refused_report_claims_nothing_next(api, token):
    api("/set", {"1": {}, "2": {}})
    api("/get/0")
    refused = api("/update_job/1/2?next=0", claim="0" * 32, next_claim=token)
    assert refused.status_code == 409
    assert api("/get/0", claim=token).json()["jobid"] == 2


def test_a_spent_next_claim_rejects_the_report(api, token, shared):
    api("/set", {"1": {}, "2": {}})
    api("/get/0", claim=token)
    api("/update_job/1/2", claim=token)
    claim = api("/get/0").json()["claim"]
    assert refusal(api("/update_job/2/2?next=0", claim=claim, next_claim=token)) == (409, "claim_spent")
    assert row(api, shared, 2)["jobstage"] == 1


def test_every_ended_claim_is_in_the_history(one_job, shared):
    first = one_job("/get/0").json()["claim"]
    one_job("/update_job/1/0", {"error": "no disk"}, claim=first)
    second = one_job("/get/0").json()["claim"]
    one_job("/update_job/1/2", claim=second)
    with opened(shared) as database:
        sql = "SELECT claim, from_stage, to_stage, message FROM event WHERE claim IN (?, ?) ORDER BY id"
        assert database.rows(sql, first, second) == [(first, 1, 0, "no disk"), (second, 1, 2, None)]
