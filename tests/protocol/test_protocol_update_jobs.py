"""/update_jobs: a list of reports, each with its own outcome."""

import uuid

import pytest


@pytest.fixture
def held(api):
    """Five jobs, of which the first three are held: the API client, and the tokens by jobid."""
    api("/set", {str(i): {"jobcmd": i} for i in range(1, 6)})
    return api, {job["jobid"]: job["claim"] for job in api("/get/0?n=3").json()}


def test_each_report_gets_its_own_outcome_in_order(held):
    api, tokens = held
    response = api("/update_jobs", [
        {"jobid": 3, "jobstage": 2, "claim": tokens[3], "filename": "3.npy"},
        {"jobid": 1, "jobstage": 2, "claim": tokens[3]},
        {"jobid": 99, "jobstage": 2},
        {"jobid": 2, "jobstage": 0, "claim": tokens[2], "error": "no disk"},
        {"jobid": 4, "jobstage": 2},
        {"jobid": 1, "jobstage": 8, "claim": tokens[1]},
        {"jobid": 1, "jobstage": 2, "claim": tokens[1], "jobcmd": "next", "result": [1]},
        {"jobid": 1, "jobstage": 2, "claim": tokens[1]},
    ])  # fmt: skip
    assert response.status_code == 200
    assert list(response.json()) == ["jobs"]
    outcomes = response.json()["jobs"]
    assert [outcome["jobid"] for outcome in outcomes] == [3, 1, 99, 2, 4, 1, 1, 1]
    assert [outcome["status"] for outcome in outcomes] == [200, 409, 404, 200, 409, 409, 200, 200]
    assert outcomes[0] == {
        "jobid": 3, "status": 200, "jobstage": 2, "message": "Success, job 3 was updated to stage 2!",
    }  # fmt: skip
    codes = [outcome.get("error") for outcome in outcomes]
    assert codes == [None, "claim_lost", "no_such_job", None, "wrong_stage", "wrong_stage", None, None]
    assert outcomes[6] == outcomes[7]
    assert api("/get/2").json()["jobcmd"] == "next"


def test_a_repeated_list_of_reports_gets_the_same_response(held):
    api, tokens = held
    reports = [{"jobid": jobid, "jobstage": 2, "claim": token} for jobid, token in tokens.items()]
    first = api("/update_jobs?next=0&n=5", reports, next_claim="n" * 32).json()
    assert [job["jobid"] for job in first["next"]] == [4, 5]
    assert api("/update_jobs?next=0&n=5", reports, next_claim="n" * 32).json() == first
    assert api("/get").json()["working"] == 2


def test_update_jobs_can_return_more_jobs(held):
    api, tokens = held
    reports = [{"jobid": 1, "jobstage": 2, "claim": tokens[1]}]
    assert [job["jobid"] for job in api("/update_jobs?next=0", reports).json()["next"]] == [4]
    assert [job["jobid"] for job in api("/update_jobs?next=0&n=9", []).json()["next"]] == [5]
    assert api("/update_jobs?next=0&n=9", []).json() == {"jobs": [], "next": []}


def test_founding_workers_report_without_tokens(held):
    api, _tokens = held
    token = uuid.uuid4().hex
    api("/get/0", claim=token)
    reports = [{"jobid": 1, "jobstage": 2}, {"jobid": 4, "jobstage": 2}]
    assert [outcome["status"] for outcome in api("/update_jobs", reports).json()["jobs"]] == [200, 409]


@pytest.mark.parametrize("report", [
    {"jobid": 2, "jobstage": 3},
    {"jobid": 2, "jobstage": -2},
    {"jobid": 2, "jobstage": 2, "error": "done, and yet an error"},
    {"jobid": 2, "jobstage": 2, "claim": "too short"},
])  # fmt: skip
def test_an_invalid_report_does_not_affect_the_others(held, report):
    api, tokens = held
    others = [{"jobid": jobid, "jobstage": 2, "claim": tokens[jobid]} for jobid in (1, 3)]
    response = api("/update_jobs", [others[0], {"claim": tokens[2]} | report, others[1]])
    assert [outcome["status"] for outcome in response.json()["jobs"]] in ([200, 400, 200], [200, 409, 200])


@pytest.mark.parametrize("body", [
    {}, {"jobid": 1}, [[]], [7], [{}], [{"jobid": 1}], [{"jobid": -1, "jobstage": 2}], [{"jobid": "1", "jobstage": 2}],
    [{"jobid": 1, "jobstage": 2, "done": True}], [{"jobid": 1, "jobstage": 2, "claim": 7}],
])  # fmt: skip
def test_a_body_that_is_not_a_list_of_reports_is_refused(held, body):
    api, tokens = held
    good = {"jobid": 1, "jobstage": 2, "claim": tokens[1]}
    assert api("/update_jobs", [good, *body] if isinstance(body, list) else body).status_code == 400
    assert api("/get").json()["working"] == 3


def test_reports_to_a_missing_list_are_not_found(api):
    response = api("/update_jobs?next=0", [{"jobid": 1, "jobstage": 2}]).json()
    assert [outcome["status"] for outcome in response["jobs"]] == [404]
    assert response["next"] == []


def test_update_jobs_accepts_post_only(api):
    assert [api(path, method="GET").status_code for path in ("/update_jobs", "/heartbeat", "/set")] == [405] * 3
