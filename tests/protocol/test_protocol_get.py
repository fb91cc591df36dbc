"""/get: the order of jobs, the response, and one worker for each claim."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import ApiClient
from tests.support.snapshot import jobs


@pytest.fixture
def filled(api):
    """A list of five jobs in stage 0."""
    api("/set", {str(i): {"jobcmd": f"echo {i}"} for i in range(1, 6)})
    return api


@pytest.fixture
def token():
    """A client token."""
    return uuid.uuid4().hex


def ids(response):
    """The ids in a batch."""
    return [job["jobid"] for job in response.json()]


def test_a_claim_returns_the_founding_keys_and_more(filled):
    job = filled("/get/0").json()
    token = job.pop("claim")
    assert len(token) >= 16
    assert token.isalnum()
    assert job == {
        "jobid": 1, "jobcmd": "echo 1", "jobstage": 0, "jobix": filled.jobix, "attempt": 1, "deadline": None,
    }  # fmt: skip
    assert filled("/get").json()["working"] == 1


def test_a_claim_without_an_available_job_is_nada(api):
    assert api("/get/0").text == '"nada"'
    assert api("/get/0", method="POST").json() == "nada"
    assert api("/get/0?n=3").json() == []


def test_jobs_are_ordered_by_priority_and_id(api):
    priorities = {"3": 0, "1": -5, "2": 7, "9": 7, "4": 0, "10": 0}
    api("/set", {jobid: {"priority": priority} for jobid, priority in priorities.items()})
    assert api("/get/0").json()["jobid"] == 2
    assert ids(api("/get/0?n=3")) == [9, 3, 4]
    assert ids(api("/get/0?n=3")) == [10, 1]


def test_a_claimed_job_moves_to_the_next_or_the_requested_stage(filled, shared):
    filled("/get/0")
    assert filled("/get/0/5").json()["jobstage"] == 0
    rows = jobs(shared, filled("/get").json()["list"])
    assert (rows[1]["jobstage"], rows[2]["jobstage"]) == (1, 5)
    assert filled("/update_job/2/4").status_code == 200


@pytest.mark.parametrize("path", ["/get/1", "/get/0/2", "/get/4/3", "/get/0?n=0", "/get/0?n=1001", "/get/0?wait=61"])
def test_a_claim_of_an_invalid_stage_is_refused(filled, path):
    assert filled(path).status_code == 400


def test_a_batch_has_up_to_n_jobs_each_with_a_token_of_its_own(filled):
    batch = filled("/get/0?n=3").json()
    assert [job["jobid"] for job in batch] == [1, 2, 3]
    assert len({job["claim"] for job in batch}) == 3
    assert ids(filled("/get/0?n=1000")) == [4, 5]
    assert filled("/update_job/2/2", claim=batch[1]["claim"]).status_code == 200
    assert filled("/update_job/3/2", claim=batch[1]["claim"]).status_code == 409


def test_a_repeated_claim_returns_the_same_job(filled, token):
    first = filled("/get/0", claim=token).json()
    assert first["claim"] == token
    assert filled("/get/0", claim=token).json() == first
    assert filled("/get").json()["working"] == 1


def test_a_repeated_batch_claim_returns_the_same_jobs(filled, token):
    first = filled("/get/0?n=3", claim=token).json()
    assert {job["claim"] for job in first} == {token}
    assert filled("/get/0?n=3", claim=token).json() == first
    filled("/update_job/2/2", claim=token)
    assert ids(filled("/get/0?n=3", claim=token)) == [1, 3]
    assert filled("/get").json()["working"] == 2


def test_a_token_that_found_nothing_can_be_used_later(api, token):
    assert api("/get/0", claim=token).json() == "nada"
    api("/set", {"1": {}})
    assert api("/get/0", claim=token).json()["jobid"] == 1


def test_a_spent_token_claims_nothing(filled, token):
    filled("/get/0", claim=token)
    filled("/update_job/1/2", claim=token)
    refused = filled("/get/0", claim=token)
    assert (refused.status_code, refused.json()["error"]) == (409, "claim_spent")
    assert filled("/get").json()["working"] == 0


def test_one_token_from_many_threads_holds_one_job(filled, shared, token):
    with ThreadPoolExecutor(8) as pool:
        apis = [ApiClient(shared.url, filled.jobix) for _ in range(8)]
        responses = list(pool.map(lambda api: api("/get/0", claim=token).json(), apis))
    assert all(response == responses[0] for response in responses)
    assert filled("/get").json()["working"] == 1


def test_two_lists_may_use_one_token(filled, shared, token, jobix):
    other = ApiClient(shared.url, (jobix + 1) % 2**63)
    other("/set", {"77": {}})
    assert filled("/get/0", claim=token).json()["jobid"] == 1
    assert other("/get/0", claim=token).json()["jobid"] == 77


def test_a_token_that_is_spent_in_one_list_is_new_to_another(filled, shared, token, jobix):
    filled("/get/0", claim=token)
    filled("/update_job/1/2", claim=token)
    other = ApiClient(shared.url, (jobix + 1) % 2**63)
    other("/set", {"77": {}})
    assert other("/get/0", claim=token).json()["jobid"] == 77


@pytest.mark.parametrize("good", ["a" * 16, "Z" * 64, "0123456789abcdefABCDEF"])
def test_a_token_is_16_to_64_letters_and_digits(filled, good):
    token = good[:-10] + uuid.uuid4().hex[:10]
    assert filled("/get/0", claim=token).json()["claim"] == token


@pytest.mark.parametrize("bad", ["a" * 15, "a" * 65, "0123456789abcde-", "é" * 20, "", "0123456789 0123456789"])
def test_another_token_is_refused(filled, bad):
    for path, name in (("/get/0", "claim"), ("/update_job/1/2", "claim"), ("/update_job/1/2?next=0", "next-claim")):
        response = filled.session.get(filled.url + path, headers={"jobix": str(filled.jobix), name: bad.encode()})
        assert response.status_code == 400, path


def test_each_claim_counts_an_attempt_of_this_stage(api):
    api("/set", {"1": {}})
    for attempt in (1, 2, 3):
        assert api("/get/0").json()["attempt"] == attempt
        api("/update_job/1/0")
    api("/get/0")
    api("/update_job/1/2")
    assert api("/get/2").json()["attempt"] == 1


def test_the_worker_is_stored_and_shown(filled, shared):
    filled("/get/0", worker="node7:4711")
    name = filled("/get").json()["list"]
    assert jobs(shared, name)[1]["worker"] == "node7:4711"
    assert "node7:4711" in filled(f"/get?list={name}", Accept="text/html").text


def test_jobs_set_in_an_odd_stage_are_never_claimed(api):
    api("/set", {"1": {"jobstage": 1}, "2": {"jobstage": 3}})
    assert [api(f"/get/{stage}").json() for stage in (0, 2, 4)] == ["nada"] * 3


def test_jobs_of_the_last_stage_or_above_are_done_and_not_claimed(api):
    api("/init/0/10")
    api("/set", {"1": {"jobstage": 2}, "2": {"jobstage": 4}})
    assert [api(f"/get/{stage}").json() for stage in (2, 4)] == ["nada"] * 2
    assert api("/get").json()["done"] == 2


def test_a_head_request_claims_nothing(filled):
    assert filled("/get/0", method="HEAD").status_code == 405
    assert filled("/get").json()["working"] == 0


def test_no_two_workers_get_one_job(api, shared):
    api("/set", {str(i): {} for i in range(200)})

    def work(number):
        jobs, own = [], ApiClient(shared.url, api.jobix)
        path = "/get/0" if number % 2 else "/get/0?n=3"
        while (response := own(path).json()) not in ("nada", []):
            jobs += response if isinstance(response, list) else [response]
        return [job["jobid"] for job in jobs]

    with ThreadPoolExecutor(8) as pool:
        claimed = [jobid for jobs in pool.map(work, range(8)) for jobid in jobs]
    assert sorted(claimed) == list(range(200))
