"""/cancel_jobs, /skip_jobs, /delete_jobs, /retry_jobs: each job is changed completely or refused with a reason."""

import uuid

import pytest

from tests.support.snapshot import jobs, opened


@pytest.fixture
def name(api):
    """The name of a list with ten jobs."""
    name = "verbs-" + uuid.uuid4().hex[:8]
    api(f"/init/0/60?name={name}")
    api("/set", {str(jobid): {"jobcmd": {"file": f"{jobid}.fits"}} for jobid in range(1, 11)})
    return name


@pytest.fixture
def rows(shared, name):
    """Reads the rows of the jobs."""
    return lambda: jobs(shared, name)


@pytest.fixture(autouse=True)
def consistent(shared, name):
    """Checks the counters at the end."""
    yield
    with opened(shared) as database:
        assert database.counters(name) == database.recount(name)


def progress(api):
    """Jobs done, percent, and failed."""
    current = api("/get").json()
    return current["done"], current["percent"], current["failed"]


def changed(response):
    """Jobs, requested, and the refused ids with their status."""
    assert response.status_code == 200, response.text
    body = response.json()
    return body["jobs"], body["requested"], {entry["jobid"]: entry["status"] for entry in body["refused"]}


def test_waiting_jobs_are_cancelled_at_once_and_no_worker_gets_them(api, rows):
    assert changed(api("/cancel_jobs", {"jobs": [1, 2, 99]}, worker="ada")) == (2, 0, {99: 404})
    row = rows()[1]
    assert (row["jobstage"], row["outcome"], row["condition"]) == (1, "cancelled", "cancelled_by_user")
    assert {job["jobid"] for job in api("/get/0?n=100").json()} == set(range(3, 11))
    assert changed(api("/cancel_jobs", {"jobs": [1]})) == (0, 0, {1: 409})
    assert changed(api("/retry_jobs", {})) == (2, 0, {})
    assert {job["jobid"] for job in api("/get/0?n=100").json()} == {1, 2}


def test_cancelled_jobs_are_counted_apart_from_failed_ones(api, shared, name):
    api("/lifetime/1/60?max_attempts=1")
    before = api("/get").json()
    job = api("/get/0").json()
    api(f"/update_job/{job['jobid']}/0", {"error": "no disk"}, claim=job["claim"])
    api("/cancel_jobs", {"jobs": [2, 3]})
    counts = api("/get").json()
    assert (counts["failed"], counts["cancelled"], counts["flagged"]) == (1, 2, 3)
    assert counts["stages"]["1"] == {"jobs": 3, "flagged": 3, "failed": 1, "cancelled": 2}
    parts = ("available", "working", "done", "failed", "cancelled")
    assert sum(counts[part] for part in parts) == counts["jobs"]
    with opened(shared) as database:
        assert database.counters(name) == database.recount(name)
    api("/retry_jobs", {"state": "cancelled"})
    assert "cancelled" not in api("/get").json()
    assert changed(api("/retry_jobs", {})) == (1, 0, {})
    assert {**api("/get").json(), "stages": {}} == {**before, "stages": {}}


def test_a_running_job_is_cancelled_by_its_worker_and_is_no_failure(api, rows, shared, name):
    job = api("/get/0", worker="node:1").json()
    assert changed(api("/cancel_jobs", {"jobs": [job["jobid"]]})) == (0, 1, {})
    held = [{"jobid": job["jobid"], "claim": job["claim"]}]
    assert api("/heartbeat?wait=30", held).json()["jobs"][0]["state"] == "cancel"
    response = api(f"/update_job/{job['jobid']}/0", {"error": "cancelled"}, claim=job["claim"]).json()
    assert response["message"] == "Job 1 was cancelled, and stays in stage 1."
    assert rows()[1]["outcome"] == "cancelled"
    with opened(shared) as database:
        sql = "SELECT failures FROM worker WHERE list_id = (SELECT id FROM job_list WHERE name = ?)"
        assert database.rows(sql, name) == [(0,)]


def test_a_cancel_that_was_meant_for_an_earlier_claim_changes_nothing(api, rows):
    """After a retry the stage and the number of the attempt are the same again; the claim is not."""
    api("/lifetime/1/60?max_attempts=1")
    first = api("/get/0").json()
    late = {"jobs": [{"jobid": 1, "jobstage": 1, "claim": first["claim"]}]}
    assert api("/update_job/1/0", {"error": "broken"}, claim=first["claim"]).json()["failed"]
    assert changed(api("/retry_jobs", {"jobs": [1]})) == (1, 0, {})
    second = api("/get/0").json()
    assert (second["jobid"], second["attempt"]) == (1, first["attempt"])
    before = rows()
    for body in (late, {"jobs": [{"jobid": 1, "claim": first["claim"]}]}):
        response = api("/cancel_jobs", body)
        assert changed(response) == (0, 0, {1: 409})
        (refused,) = response.json()["refused"]
        assert refused["error"] == "claim_lost"
        assert refused["message"] == (
            "Job 1 has changed: the claim that you chose has ended; it is in stage 1 now, attempt 1."
        )
    assert rows() == before
    held = [{"jobid": 1, "claim": second["claim"]}]
    assert api("/heartbeat", held).json()["jobs"][0]["state"] == "held"
    assert changed(api("/cancel_jobs", {"jobs": [{"jobid": 1, "claim": second["claim"]}]})) == (0, 1, {})
    assert api("/heartbeat", held).json()["jobs"][0]["state"] == "cancel"


def test_one_request_cancels_each_job_by_its_own_claim(api, rows):
    claims = {job["jobid"]: job["claim"] for job in api("/get/0?n=3").json()}
    api("/update_job/2/0", claim=claims[2])
    assert api("/get/0").json()["jobid"] == 2
    jobs = [{"jobid": jobid, "claim": claim} for jobid, claim in claims.items()]
    assert changed(api("/cancel_jobs", {"jobs": [*jobs, 5]})) == (1, 2, {2: 409})
    assert [rows()[jobid]["cancel"] for jobid in (1, 2, 3)] == [1, 0, 1]


def test_a_job_that_a_worker_claimed_meanwhile_is_not_cancelled_as_waiting(api):
    api("/get/0")
    assert changed(api("/cancel_jobs", {"jobs": [{"jobid": 1, "jobstage": 0}]})) == (0, 0, {1: 409})


@pytest.mark.parametrize("route", ["cancel_jobs", "skip_jobs", "delete_jobs", "retry_jobs"])
def test_a_job_that_has_moved_since_is_refused_by_every_verb(api, rows, route):
    api("/lifetime/1/60?max_attempts=1")
    job = api("/get/0").json()
    api("/update_job/1/0", {"error": "broken"}, claim=job["claim"])  # failed, in stage 1, without a claim
    before = rows()
    seen = [{"jobid": 1, "jobstage": 0}, {"jobid": 2, "claim": "c" * 32}, {"jobid": 99, "jobstage": 0}]
    assert changed(api(f"/{route}", {"jobs": seen})) == (0, 0, {1: 409, 2: 409, 99: 404})
    assert rows() == before
    if route != "cancel_jobs":  # a failed job cannot be cancelled
        assert changed(api(f"/{route}", {"jobs": [{"jobid": 1, "jobstage": 1}]})) == (1, 0, {})


def test_skipped_jobs_count_as_done_and_are_given_to_no_worker(api, rows):
    job = api("/get/0").json()
    assert changed(api("/skip_jobs", {"jobs": list(range(1, 11))})) == (9, 0, {1: 409})
    assert "cancel it first" in api("/skip_jobs", {"jobs": [1]}).json()["refused"][0]["message"]
    assert api("/get/0").json() == "nada"
    api("/update_job/1/2", claim=job["claim"])
    assert progress(api) == (10, 100.0, 0)
    assert (rows()[2]["jobstage"], rows()[2]["condition"]) == (2, "skipped")
    assert api("/get/2").json() == "nada"
    api("/lifetime/4/0")  # stage 2 is no longer the last
    assert [entry["jobid"] for entry in api("/get/2?n=100").json()] == [1]
    assert changed(api("/skip_jobs", {"state": "skipped"})) == (9, 0, {})
    assert rows()[2]["jobstage"] == 4


def test_a_failed_and_a_cancelled_job_can_be_skipped(api):
    api("/lifetime/1/60?max_attempts=1")
    job = api("/get/0").json()
    assert api("/update_job/1/0", {"error": "no disk"}, claim=job["claim"]).json()["failed"]
    api("/cancel_jobs", {"jobs": [2]})
    assert progress(api) == (0, 0.0, 1)
    assert api("/get").json()["cancelled"] == 1
    assert changed(api("/skip_jobs", {"jobs": [1, 2]})) == (2, 0, {})
    assert progress(api) == (2, 20.0, 0)


def test_deleted_jobs_are_gone_with_their_history(api, rows, shared, name):
    job = api("/get/0").json()
    api("/update_job/1/0", claim=job["claim"])
    job = api("/get/0").json()
    assert changed(api("/delete_jobs", {"jobs": [1, 2, 3, 99]})) == (2, 0, {1: 409, 99: 404})
    api("/update_job/1/0", claim=job["claim"])
    assert changed(api("/delete_jobs", {"jobs": [1]})) == (1, 0, {})
    assert set(rows()) == set(range(4, 11))
    assert api("/update_job/1/2", claim=job["claim"]).status_code == 404
    assert api("/get").json()["jobs"] == 7
    with opened(shared) as database:
        sql = "SELECT jobs FROM event WHERE kind = 'deleted' AND list_id = (SELECT id FROM job_list WHERE name = ?)"
        assert [row[0] for row in database.rows(sql, name)] == [2, 1]
    assert api("/set", {"1": {}}).json()["new"] == 1


def test_done_jobs_are_done_again_only_on_request(api, rows):
    job = api("/get/0").json()
    api("/update_job/1/2", claim=job["claim"])
    response = api("/retry_jobs", {"jobs": [1, 2]})
    assert changed(response) == (0, 0, {1: 409, 2: 409})
    assert [entry["message"] for entry in response.json()["refused"]] == [
        "Job 1 is done (stage 2): include done jobs to do it again.",
        "Job 2 waits for a worker already.",
    ]
    assert changed(api("/retry_jobs", {"jobs": [1, 2], "done": True})) == (1, 0, {2: 409})
    assert rows()[1]["jobstage"] == 0
    again = api("/get/0").json()
    assert (again["jobid"], again["attempt"]) == (1, 1)


def test_skipped_jobs_can_be_done_after_all(api):
    api("/skip_jobs", {"all": True})
    assert progress(api)[1] == 100.0
    assert changed(api("/retry_jobs", {"state": "skipped", "done": True})) == (10, 0, {})
    assert len(api("/get/0?n=100").json()) == 10


def test_a_filter_selects_the_jobs(api, rows):
    assert changed(api("/cancel_jobs", {"text": "7.FITS"})) == (1, 0, {})
    assert changed(api("/delete_jobs", {"state": "cancelled"})) == (1, 0, {})
    assert changed(api("/skip_jobs", {"stage": 0})) == (9, 0, {})
    assert changed(api("/cancel_jobs", {"state": "available"})) == (0, 0, {})
    assert set(rows()) == set(range(1, 11)) - {7}


def test_a_filter_selects_more_jobs_than_one_step(api):
    api("/set", {str(jobid): {} for jobid in range(100, 3100)})
    assert changed(api("/cancel_jobs", {"all": True})) == (3010, 0, {})
    assert changed(api("/retry_jobs", {})) == (3010, 0, {})
    assert changed(api("/delete_jobs", {"stage": 0})) == (3010, 0, {})
    assert api("/get").json()["jobs"] == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Name the jobs"),
        ({"jobs": []}, "The list jobs is empty"),
        ({"jobs": [1], "all": True}, "not both"),
        ({"jobs": [1], "stage": 0}, "not both"),
        ({"all": True, "stage": 0}, "not both"),
        ({"state": "sleeping"}, "state is one of available"),
        ({"jobs": ["1"]}, "must be"),
        ({"jobs": [-1]}, "must be at least 0"),
        ({"jobs": [{"claim": "a"}]}, "jobid"),
        ({"jobs": [{"jobid": 1, "attempt": 1}]}, "unknown"),
        ({"job": [1]}, "unknown"),
        ({"text": ""}, "text"),
        ([1], "must be"),
    ],
)
def test_a_wrong_selection_is_refused_and_changes_nothing(api, rows, body, message):
    before = rows()
    for route in ("/cancel_jobs", "/skip_jobs", "/delete_jobs"):
        response = api(route, body)
        assert (response.status_code, response.json()["error"]) == (400, "bad_request"), response.text
        assert message in response.json()["message"]
    assert rows() == before


def test_a_retry_goes_to_an_even_stage(api):
    assert api("/retry_jobs", {"jobs": [1], "to": 1}).status_code == 400
    assert api("/retry_jobs", {"jobs": [1], "to": 4}).json()["refused"][0]["status"] == 409


def test_a_key_without_a_list_gets_404(shared, jobix):
    from tests.support.server import ApiClient

    assert ApiClient(shared.url, jobix // 2 + 5)("/skip_jobs", {"all": True}).status_code == 404


def test_jobs_whose_lifetime_is_over_are_not_held(api, shared, name, rows):
    claims = {job["jobid"]: job["claim"] for job in api("/get/0?n=3").json()}
    with opened(shared) as database:
        sql = "UPDATE job SET deadline = 1 WHERE jobid < 4 AND list_id = (SELECT id FROM job_list WHERE name = ?)"
        database.run(sql, name)
    assert api("/check_stages").json()["flagged"] == 3
    assert changed(api("/cancel_jobs", {"jobs": [1]})) == (1, 0, {})
    assert changed(api("/skip_jobs", {"jobs": [2]})) == (1, 0, {})
    assert changed(api("/delete_jobs", {"jobs": [3]})) == (1, 0, {})
    assert [api(f"/update_job/{jobid}/2", claim=claims[jobid]).status_code for jobid in (1, 2, 3)] == [409, 409, 404]
    assert set(rows()) == set(range(1, 11)) - {3}
