"""The result of a lost claim: accepted while nobody has claimed its job again, otherwise kept beside for comparison."""

import json

import pytest

from tests.support.late_site import Site
from tests.support.server import ApiClient
from tests.support.snapshot import opened
from tests.support.until import until

OUTPUT = {"path": "/data/1.npy", "bytes": 3, "sha256": "a" * 64, "staged": None}
OTHER_OUTPUT = {**OUTPUT, "sha256": "b" * 64}


@pytest.fixture
def site(api, shared):
    """A list with one job; at the end the counters are checked."""
    site = Site(api, shared)
    yield site
    with opened(shared) as database:
        assert database.counters(site.name) == database.recount(site.name)


@pytest.fixture
def lost(site):
    """A claim of job 1 that was lost."""
    job = site.take()
    site.lose()
    assert (site.job()["jobstage"], site.job()["failures"]) == (0, 1)
    return job


def test_a_late_result_is_accepted_if_nobody_has_claimed_the_job_again(site, lost):
    response = site.report(lost, filename="/data/1.npy", result={"x": 1}, outputs=[OUTPUT])
    assert (response.status_code, response.json()["jobstage"]) == (200, 2)
    job = site.job()
    assert (job["jobstage"], job["filename"], json.loads(job["result"])) == (2, "/data/1.npy", {"x": 1})
    assert (job["failures"], job["claim"], job["worker"], job["outcome"]) == (0, None, "ann:1", "none")
    assert json.loads(job["outputs"]) == [OUTPUT]
    assert site.kept() == []
    again = site.report(lost, filename="/data/1.npy", result={"x": 1}, outputs=[OUTPUT])
    assert (again.status_code, again.json()) == (200, response.json())
    assert site.take(2)["outputs"] == [OUTPUT]


def test_a_late_result_is_accepted_in_a_batch(site, lost):
    entry = {"jobid": 1, "jobstage": 2, "claim": lost["claim"], "result": 7}
    for _repeated in range(2):
        assert site.api("/update_jobs", [entry]).json()["jobs"][0]["status"] == 200
    assert (site.job()["jobstage"], site.job()["result"]) == (2, "7")


def test_a_late_result_is_accepted_during_the_pause_after_the_failure(site):
    site.api("/lifetime/1/60?backoff_s=100")
    job = site.take()
    site.lose()
    site.job()
    assert site.report(job, result=7).status_code == 200
    assert (site.job()["jobstage"], site.job()["hold"]) == (2, "none")
    assert site.take(2)["jobid"] == 1


def test_a_late_result_is_accepted_after_the_last_attempt(site):
    site.api("/lifetime/1/60?max_attempts=1")
    job = site.take()
    site.lose()
    assert (site.job()["outcome"], site.job()["condition"]) == ("failed", "lost")
    assert site.report(job, result=7).json()["jobstage"] == 2
    assert (site.job()["outcome"], site.job()["error"], site.job()["failures"]) == ("none", None, 0)
    assert site.api("/get").json()["failed"] == 0


def test_a_late_result_is_kept_if_another_worker_holds_the_job(site, lost):
    held = site.take(worker="bob:1")
    response = site.report(lost, result={"x": 1}, filename="/data/late.npy", outputs=[OUTPUT])
    assert (response.status_code, response.json()["error"]) == (409, "claim_lost")
    assert "kept with the job for comparison" in response.json()["message"]
    (late,) = site.kept()
    assert late[:4] == (1, 1, "ann:1", "/data/late.npy")
    assert (json.loads(late.outputs), json.loads(late.result)) == ([OUTPUT], {"x": 1})
    assert "from ann:1: no result of this stage has been accepted yet. Path: /data/late.npy" in site.page()
    assert (site.job()["claim"], site.job()["worker"], site.job()["result"]) == (held["claim"], "bob:1", None)
    assert site.report(held, result=2).status_code == 200
    assert site.job()["result"] == "2"


def test_a_late_result_is_kept_if_another_worker_finished_the_job(site, lost):
    assert site.report(site.take(worker="bob:1"), result=2).status_code == 200
    before = site.job()
    assert site.report(lost, result=1).status_code == 409
    assert [(late.worker, late.result) for late in site.kept()] == [("ann:1", "1")]
    assert site.job() == before


def test_a_late_result_is_kept_if_the_next_worker_returned_the_job(site, lost):
    assert site.report(site.take(worker="bob:1"), 0).status_code == 200
    assert site.report(lost, result=1).status_code == 409
    assert (site.job()["jobstage"], len(site.kept())) == (0, 1)


def test_a_late_result_is_kept_if_a_person_moved_the_job(site):
    site.api("/lifetime/1/60?max_attempts=1")
    job = site.take()
    site.lose()
    assert site.api("/retry_jobs", {"jobs": [1]}).json()["jobs"] == 1
    assert site.report(job, result=1).status_code == 409
    assert (site.job()["jobstage"], len(site.kept())) == (0, 1)


@pytest.mark.parametrize(
    ("late", "accepted", "shown"),
    [
        ({"result": {"a": 1, "b": 2.0}}, {"result": {"b": 2, "a": 1.0}}, "the same as the accepted result"),
        ({"result": {"a": 1}}, {"result": {"a": 2}}, "differs from the accepted result"),
        ({"result": 1}, {}, "differs from the accepted result"),
        ({"outputs": [OUTPUT]}, {"outputs": [OUTPUT], "result": 1}, "the same as the accepted result"),
        ({"outputs": [OUTPUT]}, {"outputs": [OTHER_OUTPUT]}, "differs from the accepted result"),
        (
            {"result": 1, "outputs": [OTHER_OUTPUT]},
            {"result": 1, "outputs": [OUTPUT]},
            "differs from the accepted result",
        ),
        ({"filename": "late"}, {"filename": "first"}, "not compared: it has neither a result nor output files"),
    ],
)
def test_the_page_compares_a_late_result_with_the_accepted_one(site, lost, late, accepted, shown):
    assert site.report(site.take(worker="bob:1"), **accepted).status_code == 200
    assert "Late results" not in site.page()
    assert site.report(lost, **late).status_code == 409
    assert f"from ann:1: {shown}" in site.page()
    following = site.take(2)
    assert f"from ann:1: {shown}" in site.page()
    site.report(following, 4, result="of the next stage")
    assert "from ann:1: not compared: the job has left the stage" in site.page()


def test_a_late_result_of_a_skipped_job_is_not_compared(site, lost):
    assert site.api("/skip_jobs", {"jobs": [1]}).json()["jobs"] == 1
    assert site.report(lost, result=1).status_code == 409
    assert "from ann:1: no result of this stage has been accepted yet" in site.page()


def test_a_late_result_that_arrives_again_is_kept_once(site, lost):
    site.take(worker="bob:1")
    responses = [site.report(lost, result=1) for _ in range(3)]
    entry = {"jobid": 1, "jobstage": 2, "claim": lost["claim"], "result": 1}
    assert site.api("/update_jobs", [entry]).json()["jobs"][0]["status"] == 409
    assert {response.status_code for response in responses} == {409}
    assert len({response.text for response in responses}) == 1
    assert len(site.kept()) == 1


def test_the_late_results_of_one_claim_of_several_jobs_are_all_kept(site):
    site.api("/set", {"2": {}})
    token = "t" * 32
    claimed = site.api("/get/0?n=2&lease_s=60", claim=token, worker="ann:1").json()
    assert {job["claim"] for job in claimed} == {token}
    site.lose(1, 2)
    site.api("/get/0?n=2&lease_s=60", worker="bob:1")
    entries = [{"jobid": jobid, "jobstage": 2, "claim": token, "result": jobid} for jobid in (1, 2)]
    outcomes = site.api("/update_jobs", entries).json()["jobs"]
    assert [outcome["status"] for outcome in outcomes] == [409, 409]
    assert [(late.jobid, late.result) for late in site.kept()] == [(1, "1"), (2, "2")]


@pytest.mark.parametrize("is_held", [False, True])
def test_a_late_error_changes_nothing(site, lost, is_held):
    if is_held:
        site.take(worker="bob:1")
    before = site.job()
    for body in ({"error": "no memory"}, {"condition": "interrupted"}, {"error": "limit", "condition": "timeout"}):
        assert site.report(lost, 0, **body).status_code == 409
    assert site.report(lost, 0).status_code == 409
    assert (site.job(), site.kept()) == (before, [])


def test_a_wrong_token_is_refused_and_keeps_nothing(site, lost):
    before = site.job()
    for target in (0, 2):
        assert site.report({"claim": "w" * 32}, target, result=1).status_code == 409
    assert site.report(lost, 4, result=1).status_code == 409  # not the next stage
    assert (site.job(), site.kept()) == (before, [])


def test_a_claim_that_its_worker_ended_is_not_a_lost_one(site):
    job = site.take()
    assert site.report(job, 0, error="lost").status_code == 200
    assert site.heartbeat(job) == {"jobid": 1, "state": "lost"}
    assert site.report(job, result=1).status_code == 409
    assert (site.job()["jobstage"], site.kept()) == (0, [])


def test_a_result_after_the_end_of_the_lifetime_is_kept(site):
    site.api("/lifetime/1/60?requeue=0")
    job = site.api("/get/0", worker="ann:1").json()  # without a lease
    site.lose()
    assert site.report(job, result=1).status_code == 409
    assert (site.job()["jobstage"], len(site.kept())) == (0, 1)


def test_at_most_five_late_results_of_a_job_are_kept(site):
    site.api("/lifetime/1/60?max_attempts=0")
    claims = []
    for _ in range(7):
        claims.append(site.take())
        site.lose()
    held = site.take(worker="bob:1")
    for number, job in enumerate(claims):
        refused = site.report(job, result=number)
        assert refused.status_code == 409
        is_kept = "is kept with the job" in refused.json()["message"]
        assert is_kept == (number < 5)
    assert [late.result for late in site.kept()] == ["0", "1", "2", "3", "4"]
    assert site.report(held, result=9).status_code == 200


def test_a_late_result_that_is_too_large_is_refused_and_not_kept(site, lost):
    assert site.report(lost, result="x" * 1_100_000).status_code == 413
    assert (site.job()["jobstage"], site.kept()) == (0, [])


def test_an_accepted_late_result_claims_the_next_job_and_a_kept_one_does_not(site):
    site.api("/set", {"2": {}})
    job = site.take()
    site.lose()
    path = "/update_job/1/2?next=0&lease_s=60"
    assert site.api(path, {"result": 1}, claim=job["claim"]).json()["next"]["jobid"] == 2
    second = site.job(2)["claim"]
    site.lose(2)
    site.take(worker="bob:1")
    site.api("/set", {"3": {}})
    assert site.api("/update_job/2/2?next=0", {"result": 1}, claim=second).status_code == 409
    assert site.job(3)["jobstage"] == 0


def test_a_late_result_is_judged_by_the_rules_of_its_stage(site):
    site.api("/rules/1", {"check": {"outputs": {"non_empty": True}}})
    job = site.take()
    site.lose()
    response = site.report(job, result=1).json()
    assert (response["jobstage"], site.job()["failures"]) == (0, 1)  # the check was not made
    job = site.take()
    site.lose()
    assert site.report(job, result=1, passed=True).json()["jobstage"] == 2


def test_a_late_result_without_the_key_of_its_stage_changes_nothing(site):
    site.api("/rules/1", {"replication": {"results": 2, "compare": "sha256"}})
    job = site.take()
    site.lose()
    before = site.job()
    assert site.report(job, result=1).status_code == 400
    entry = {"jobid": 1, "jobstage": 2, "claim": job["claim"], "result": 1}
    assert site.api("/update_jobs", [entry]).json()["jobs"][0]["status"] == 400
    assert site.job() == before
    assert site.report(job, outputs=[OUTPUT]).status_code == 200


def test_a_heartbeat_says_whether_a_late_result_would_be_accepted(site):
    site.api("/lifetime/1/60?max_attempts=2")
    lost = site.take()
    assert site.heartbeat(lost) == {"jobid": 1, "state": "held"}
    site.lose()
    assert site.heartbeat(lost) == {"jobid": 1, "state": "lost", "unclaimed": True}
    assert site.heartbeat({"claim": "w" * 32}) == {"jobid": 1, "state": "lost"}
    second = site.take(worker="bob:1")
    assert site.heartbeat(lost) == {"jobid": 1, "state": "lost"}
    site.lose()  # the last attempt
    assert site.heartbeat(lost) == {"jobid": 1, "state": "lost"}
    assert site.heartbeat(second) == {"jobid": 1, "state": "lost", "unclaimed": True}
    assert site.report(second, result=1).status_code == 200
    assert site.heartbeat(second) == {"jobid": 1, "state": "lost"}


def test_a_deleted_job_takes_its_late_results_along(site, lost):
    assert site.report(site.take(worker="bob:1"), result=2).status_code == 200
    site.report(lost, result=1)
    assert site.api("/delete_jobs", {"jobs": [1]}).json()["jobs"] == 1
    assert site.kept() == []


def test_late_results_are_deleted_with_old_events(new_server, jobix):
    server = new_server(history_days="1").start()
    site = Site(ApiClient(server.url, jobix), server)
    claims = []
    for _ in range(2):
        claims.append(site.take())
        site.lose()
    site.take(worker="bob:1")
    for number, job in enumerate(claims):
        assert site.report(job, result=number).status_code == 409
    server.stop()
    with opened(server) as database:
        a_day_and_a_minute_ms = 24 * 3_600_000 + 60_000
        database.run("UPDATE late_result SET at = at - ? WHERE result = '0'", a_day_and_a_minute_ms)
    server.start()
    site.api.url = server.url
    assert site.api("/").status_code == 200  # the first request starts the sweeper
    until(lambda: len(site.kept()) < 2)
    assert [late.result for late in site.kept()] == ["1"]
