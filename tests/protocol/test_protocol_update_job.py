"""/update_job: only its holder ends a claim, once, and a repeated report gets the same response."""

import json
import uuid

import pytest

from tests.support.server import Asker
from tests.support.snapshot import jobs, opened


@pytest.fixture
def one(ask):
    """A list of one job."""
    ask("/set", {"1": {"jobcmd": "first"}})
    return ask


@pytest.fixture
def token():
    """A client token."""
    return uuid.uuid4().hex


def row(ask, shared, jobid=1):
    """The job in the database, after a check of the counters."""
    return jobs(shared, ask("/get").json()["list"])[jobid]


def refusal(answer):
    """Status and code."""
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_completed_job_moves_to_the_next_even_stage(one, method):
    one("/get/0")
    answer = one("/update_job/1/2", method=method).json()
    assert answer == {"message": "Success, job 1 was updated to stage 2!", "jobid": 1, "jobstage": 2}
    assert one("/get").json()["done"] == 1


def test_the_data_of_a_report_is_stored(one, shared):
    claim = one("/get/0").json()["claim"]
    said = {"filename": "out/3.npy", "jobcmd": {"next": [1.50]}, "result": {"loss": 0.25}}
    one("/update_job/1/2", said, claim=claim)
    kept = row(one, shared)
    assert (kept["filename"], json.loads(kept["result"]), kept["claim"]) == ("out/3.npy", {"loss": 0.25}, None)
    assert one("/get/2").json()["jobcmd"] == {"next": [1.5]}


def test_a_report_keeps_the_fields_that_it_omits(one, shared):
    one("/get/0")
    one("/update_job/1/2", {"filename": "a.npy"})
    one("/get/2")
    one("/update_job/1/4", {})
    assert (row(one, shared)["filename"], row(one, shared)["jobcmd"]) == ("a.npy", '"first"')


def test_a_job_can_be_released_or_moved_to_a_lower_stage(ask):
    ask("/set", {"1": {"jobstage": 4}, "2": {"jobstage": 4}})
    ask("/get/4?n=2")
    assert ask("/update_job/1/4").json()["jobstage"] == 4
    assert ask("/update_job/2/0").json()["jobstage"] == 0


@pytest.mark.parametrize("stage", [4, 6, 1_000_000])
def test_the_error_of_a_wrong_stage_names_the_allowed_ones(ask, stage):
    ask("/set", {"1": {}})
    claim = ask("/get/0").json()["claim"]
    refused = ask(f"/update_job/1/{stage}", claim=claim)
    assert refusal(refused) == (409, "wrong_stage")
    assert "2 (done) or a lower even stage (0: released)" in refused.json()["message"]


@pytest.mark.parametrize("stage", [1, 3, -2, "x", "", 10**30])
def test_a_next_stage_must_be_even(one, stage):
    one("/get/0")
    assert one(f"/update_job/1/{stage}").status_code in ((400,) if stage != "" else (404, 405))


def test_a_job_that_is_not_held_cannot_be_updated(one):
    assert refusal(one("/update_job/1/2")) == (409, "wrong_stage")
    assert refusal(one("/update_job/1/0")) == (409, "wrong_stage")


def test_a_missing_job_is_not_found(one, ask):
    assert refusal(one("/update_job/2/2")) == (404, "no_such_job")


def test_a_job_of_another_list_is_not_found(one, shared, jobix):
    other = Asker(shared.url, (jobix + 1) % 2**63)
    claim = one("/get/0").json()["claim"]
    assert refusal(other("/update_job/1/2", claim=claim)) == (404, "no_such_job")


def test_a_stale_worker_cannot_advance_a_requeued_job(one, shared):
    stale = one("/get/0").json()["claim"]
    one("/update_job/1/0")  # a founding master requeues the job
    for _again in range(2):
        assert refusal(one("/update_job/1/2", {"filename": "corrupt"}, claim=stale)) == (409, "claim_lost")
    fresh = one("/get/0").json()["claim"]
    assert refusal(one("/update_job/1/2", {"filename": "corrupt"}, claim=stale)) == (409, "claim_lost")
    assert row(one, shared)["filename"] is None
    assert one("/update_job/1/2", claim=fresh).status_code == 200
    assert refusal(one("/update_job/1/2", {"filename": "corrupt"}, claim=stale)) == (409, "claim_lost")


def test_a_repeated_report_is_the_same_200(one, shared):
    claim = one("/get/0").json()["claim"]
    first = one("/update_job/1/2", {"filename": "a"}, claim=claim)
    before = row(one, shared)
    assert one("/update_job/1/2", {"filename": "b"}, claim=claim).json() == first.json()
    assert row(one, shared) == before


def test_a_repeated_report_is_200_after_the_next_stage_is_done(one, shared):
    claim = one("/get/0").json()["claim"]
    first = one("/update_job/1/2", claim=claim).json()
    other = one("/get/2").json()["claim"]
    assert one("/update_job/1/2", claim=claim).json() == first
    one("/update_job/1/4", claim=other)
    before = row(one, shared)
    assert one("/update_job/1/2", claim=claim).json() == first
    assert row(one, shared) == before
    assert refusal(one("/update_job/1/0", claim=claim)) == (409, "claim_lost")
    assert row(one, shared) == before


def test_a_repeated_release_leaves_the_job_with_its_new_worker(one):
    claim = one("/get/0").json()["claim"]
    one("/update_job/1/0", claim=claim)
    other = one("/get/0").json()["claim"]
    assert one("/update_job/1/0", claim=claim).status_code == 200
    assert one("/update_job/1/2", claim=other).status_code == 200


def test_a_founding_worker_reports_without_token(one):
    one("/get/0")
    assert one("/update_job/1/2").status_code == 200


def test_a_client_token_is_required_in_the_report(one, token):
    one("/get/0", claim=token)
    assert refusal(one("/update_job/1/2")) == (409, "claim_lost")
    assert refusal(one("/update_job/1/0")) == (409, "claim_lost")
    assert one("/update_job/1/2", claim=token).status_code == 200


def test_require_claim_refuses_a_report_without_token(new_server, jobix):
    ask = Asker(new_server(require_claim="1").start().url, jobix)
    ask("/set", {"1": {}, "2": {"jobstage": 1}})
    claim = ask("/get/0").json()["claim"]
    assert refusal(ask("/update_job/1/2")) == (409, "claim_lost")
    assert refusal(ask("/update_job/1/0")) == (409, "claim_lost")
    assert refusal(ask("/update_job/2/2")) == (409, "claim_lost")
    assert ask("/update_job/2/0").status_code == 200  # not held: a master may requeue it
    assert ask("/update_job/1/2", claim=claim).status_code == 200


def test_a_foreign_claim_proves_nothing(ask):
    ask("/set", {"1": {}, "2": {}})
    first, second = ask("/get/0?n=2").json()
    assert refusal(ask("/update_job/1/2", claim=second["claim"])) == (409, "claim_lost")
    assert refusal(ask("/update_job/2/2", claim="0" * 32)) == (409, "claim_lost")
    assert ask("/update_job/1/2", claim=first["claim"]).status_code == 200


def test_a_job_set_in_an_odd_stage_can_be_updated(ask):
    ask("/set", {"1": {"jobstage": 3}, "2": {"jobstage": 3}})
    assert ask("/update_job/1/4").json()["jobstage"] == 4
    assert ask("/update_job/2/0").json()["jobstage"] == 0


def test_an_update_can_return_the_next_job(ask):
    ask("/set", {"1": {}, "2": {"jobcmd": "two"}})
    ask("/get/0")
    job = ask("/update_job/1/2?next=0").json()["next"]
    assert (job["jobid"], job["jobcmd"], job["jobstage"], job["attempt"]) == (2, "two", 0, 1)
    assert ask("/update_job/2/2?next=0", claim=job["claim"]).json()["next"] == "nada"
    assert ask("/get").json()["done"] == 2


def test_the_next_job_can_be_the_one_that_was_just_finished(one):
    one("/get/0")
    assert one("/update_job/1/2?next=2").json()["next"]["jobid"] == 1


def test_a_repeated_update_returns_the_same_next_job(ask, token):
    ask("/set", {str(i): {} for i in range(1, 4)})
    claim = ask("/get/0").json()["claim"]
    headers = {"claim": claim, "next_claim": token}
    first = ask("/update_job/1/2?next=0", {"filename": "a"}, **headers).json()
    assert first["next"]["claim"] == token
    assert ask("/update_job/1/2?next=0", {"filename": "a"}, **headers).json() == first
    assert ask("/get").json()["working"] == 1


def test_a_refused_report_claims_nothing_next(ask, token):
    ask("/set", {"1": {}, "2": {}})
    ask("/get/0")
    refused = ask("/update_job/1/2?next=0", claim="0" * 32, next_claim=token)
    assert refused.status_code == 409
    assert ask("/get/0", claim=token).json()["jobid"] == 2


def test_a_spent_next_claim_rejects_the_report(ask, token, shared):
    ask("/set", {"1": {}, "2": {}})
    ask("/get/0", claim=token)
    ask("/update_job/1/2", claim=token)
    claim = ask("/get/0").json()["claim"]
    assert refusal(ask("/update_job/2/2?next=0", claim=claim, next_claim=token)) == (409, "claim_spent")
    assert row(ask, shared, 2)["jobstage"] == 1


def test_every_ended_claim_is_in_the_history(one, shared):
    first = one("/get/0").json()["claim"]
    one("/update_job/1/0", {"error": "no disk"}, claim=first)
    second = one("/get/0").json()["claim"]
    one("/update_job/1/2", claim=second)
    with opened(shared) as database:
        sql = "SELECT claim, from_stage, to_stage, message FROM event WHERE claim IN (?, ?) ORDER BY id"
        assert database.rows(sql, first, second) == [(first, 1, 0, "no disk"), (second, 1, 2, None)]
