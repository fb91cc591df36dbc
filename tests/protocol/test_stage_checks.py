"""Checks of a stage: without a pass of the same claim a job is never done."""

import json
import random
from collections.abc import Callable

import pytest

from tests.support.server import ApiClient, Server
from tests.support.snapshot import rows

CHECK = {"command": "validate {output}", "outputs": {"non_empty": True}}
NO_VERDICT = "the report has no verdict of the stage's check"


def with_check(api: ApiClient, jobs: int = 1) -> ApiClient:
    """A list of jobs whose stage 1 has a check."""
    assert api("/set", {str(jobid): {"jobcmd": jobid} for jobid in range(jobs)}).status_code == 200
    assert api("/rules/1", {"check": CHECK}).status_code == 200
    return api


def take(api: ApiClient, **headers: str) -> dict:
    """One claimed job of stage 0."""
    job = api("/get/0", **headers).json()
    assert job != "nada"
    return job


def report(api: ApiClient, job: dict, target: int = 2, **body: object) -> dict:
    """The response to a report."""
    response = api(f"/update_job/{job['jobid']}/{target}", body, claim=job["claim"])
    assert response.status_code == 200, response.text
    return response.json()


def test_a_claim_carries_the_check_also_when_it_is_repeated(api: ApiClient) -> None:
    with_check(api)
    token = "c" * 20
    first = take(api, claim=token)
    assert first["check"] == CHECK
    assert take(api, claim=token) == first
    assert [job["check"] for job in api("/get/0?n=2", claim=token).json()] == [CHECK]


def test_a_pass_completes_the_job(api: ApiClient) -> None:
    job = take(with_check(api))
    assert report(api, job, passed=True, result=7)["jobstage"] == 2
    assert report(api, job, passed=True, result=7)["jobstage"] == 2  # repeated


@pytest.mark.parametrize("verdict", [{}, {"passed": False}], ids=["no verdict", "not passed"])
def test_without_a_pass_the_attempt_has_failed(api: ApiClient, verdict: dict[str, bool]) -> None:
    job = take(with_check(api))
    first = report(api, job, **verdict)
    assert first["jobstage"] == 0
    assert "invalid: the re" in first["message"]
    assert report(api, job, **verdict) == first  # repeated
    again = take(api)
    assert (again["jobid"], again["attempt"]) == (job["jobid"], 2)


def test_after_the_last_attempt_the_job_is_invalid_and_not_done(api: ApiClient) -> None:
    with_check(api)
    api("/lifetime/1/60?max_attempts=2")
    assert report(api, take(api))["jobstage"] == 0
    job = take(api)
    last = report(api, job)
    assert (last["jobstage"], last["failed"]) == (1, True)
    assert NO_VERDICT in last["message"]
    assert report(api, job) == last  # repeated
    progress = api("/get").json()
    assert (progress["failed"], progress["done"]) == (1, 0)


def test_a_founding_worker_gets_no_job_done(api: ApiClient) -> None:
    with_check(api)
    job = take(api)
    response = api(f"/update_job/{job['jobid']}/2", {"result": 1})
    assert (response.status_code, response.json()["jobstage"]) == (200, 0)
    assert NO_VERDICT in response.json()["message"]
    assert api("/get").json()["done"] == 0


def test_a_pass_of_another_claim_proves_nothing(api: ApiClient) -> None:
    with_check(api)
    lost = take(api)
    assert report(api, lost, target=0)["jobstage"] == 0
    held = take(api)
    assert api(f"/update_job/{held['jobid']}/2", {"passed": True}, claim=lost["claim"]).status_code == 409
    assert api("/get").json()["working"] == 1


def test_reports_of_many_jobs_are_judged_one_by_one(api: ApiClient) -> None:
    with_check(api, 3)
    jobs = api("/get/0?n=3").json()
    entries = [{"jobid": job["jobid"], "jobstage": 2, "claim": job["claim"]} for job in jobs]
    entries[1]["passed"] = True
    outcomes = api("/update_jobs", entries).json()["jobs"]
    assert [outcome["jobstage"] for outcome in outcomes] == [0, 2, 0]


def test_a_stage_without_rules_needs_no_verdict(api: ApiClient) -> None:
    with_check(api)
    report(api, take(api), passed=True)
    job = api("/get/2").json()
    assert "check" not in job
    assert report(api, job, target=4)["jobstage"] == 4


def test_removed_rules_no_longer_apply(api: ApiClient) -> None:
    with_check(api)
    assert api("/rules/1", {"check": None}).json() == {
        "stage": 1,
        "check": None,
        "replication": None,
        "set_aside": False,
    }
    assert report(api, take(api))["jobstage"] == 2


def test_init_sets_the_lifetimes_of_stages_that_have_rules(api: ApiClient) -> None:
    with_check(api)
    assert api("/init/0/20/0").json()["1"] == 20
    assert api("/rules/1").json()["check"] == CHECK


@pytest.mark.parametrize(
    ("path", "body", "part"),
    [
        ("/rules/2", {"check": CHECK}, "odd; 2 is even"),
        ("/rules/1", {"chek": CHECK}, "'chek' in the body is unknown"),
        ("/rules/1", {"check": {}}, "at least one of command, schema and outputs"),
        ("/rules/1", {"check": {"outputs": {}}}, "at least one of non_empty, min_bytes and max_bytes"),
        ("/rules/1", {"check": {"outputs": {"min_bytes": 5, "max_bytes": 4}}}, "max_bytes 4 is below 5"),
        ("/rules/1", {"check": {"command": []}}, "check.command"),
        ("/rules/1", {"check": {"schema": "x"}}, "check.schema must be an object"),
        ("/rules/1", {"replication": {"results": 1}}, "replication.results must be at least 2"),
        ("/rules/1", {"replication": {"results": 11}}, "replication.results must be at most 10"),
        ("/rules/1", {"replication": {"compare": "json"}}, "'results' is missing"),
        ("/rules/1", {"replication": {"results": 2, "compare": "md5"}}, "compare"),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused(api: ApiClient, path: str, body: object, part: str) -> None:
    response = api(path, body)
    assert response.status_code == 400
    assert part in response.json()["message"]
    assert api("/rules/1").json() == {"stage": 1, "check": None, "replication": None, "set_aside": False}


class BadWorker:
    """A worker whose results are truncated, have a flipped bit, or are reported before the work; it runs the check."""

    def __init__(self, api: ApiClient, seed: int) -> None:
        self._api = api
        self._random = random.Random(seed)

    def work(self) -> bool:
        """Does one job; returns False if there is none."""
        job = self._api("/get/0").json()
        if job == "nada":
            return False
        result = "#" * job["jobcmd"]
        fault = self._random.choice(["none", "none", "truncated", "flipped", "early"])
        if fault == "truncated":
            result = result[: self._random.randrange(len(result))]
        elif fault == "flipped":
            at = self._random.randrange(len(result))
            result = result[:at] + chr(ord("#") ^ 1) + result[at + 1 :]
        if fault == "early":
            report(self._api, job, result=None)
        elif result == "#" * job["jobcmd"]:
            report(self._api, job, result=result, passed=True)
        elif self._random.random() < 0.5:  # as our client does
            report(self._api, job, target=0, error="the check failed", condition="invalid", passed=False)
        else:
            report(self._api, job, result=result, passed=False)
        return True


def test_no_bad_result_passes(new_server: Callable[..., Server], jobix: int) -> None:
    server = new_server().start()
    api = ApiClient(server.url, jobix)
    api("/set", {str(jobid): {"jobcmd": 1 + jobid % 7} for jobid in range(200)})
    api("/rules/1", {"check": CHECK})
    api("/lifetime/1/60?max_attempts=0")
    worker = BadWorker(api, seed=4)
    attempts = 0
    while worker.work():
        attempts += 1
    assert attempts > 250
    assert api("/get").json()["done"] == 200
    done = rows(server, "SELECT result, jobcmd FROM job WHERE jobstage = 2")
    assert [json.loads(result) for result, _jobcmd in done] == ["#" * int(jobcmd) for _result, jobcmd in done]
