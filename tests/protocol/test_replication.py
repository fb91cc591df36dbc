"""Replication: a job advances when several hosts agree, and no host confirms its own result."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.expire import expire
from tests.support.server import ApiClient, Server
from tests.support.snapshot import jobs as jobs_of
from tests.support.snapshot import rows

TWO = {"results": 2, "adaptive": False}
SHA = ("a" * 64, "b" * 64)


class Host:
    """A worker on a host of that name."""

    def __init__(self, api: ApiClient, name: str) -> None:
        self._api = api
        self._name = name

    def take(self, path: str = "/get/0") -> dict | None:
        """A claimed job; None if there is none for this host."""
        job = self._api(path, worker=f"{self._name}:1").json()
        return None if job == "nada" else job

    def report(self, job: dict, **body: object) -> dict:
        """The response to a report of success."""
        response = self._api(f"/update_job/{job['jobid']}/{job['jobstage'] + 2}", body, claim=job["claim"])
        assert response.status_code == 200, response.text
        return response.json()

    def work(self, **body: object) -> dict | None:
        """Claims and reports one job; None if there is none."""
        job = self.take()
        return None if job is None else self.report(job, **body)


def replicated(api: ApiClient, jobs: int = 1, **rule: object) -> Callable[[str], Host]:
    """A list of jobs with replication; returns a function that makes hosts."""
    api("/set", {str(jobid): {} for jobid in range(jobs)})
    response = api("/rules/1", {"replication": {**TWO, **rule}})
    assert response.status_code == 200, response.text
    return lambda name: Host(api, name)


def test_two_hosts_that_agree_complete_a_job(api: ApiClient) -> None:
    host = replicated(api)
    first = host("a").work(result={"x": 1, "y": [2.0]})
    assert (first["jobstage"], "another host must confirm it" in first["message"]) == (0, True)
    assert host("b").work(result={"y": [2], "x": 1})["jobstage"] == 2


def test_one_host_waits_and_confirms_nothing_itself(api: ApiClient) -> None:
    host = replicated(api, 2)
    assert [host("a").work(result=1)["jobstage"] for _ in range(2)] == [0, 0]
    assert host("a").take() is None
    assert api("/get/0", worker="a:2").json() == "nada"  # another worker of the same host
    assert [host("b").work(result=1)["jobstage"] for _ in range(2)] == [2, 2]


def test_jobs_to_confirm_come_before_others_whatever_their_priority(api: ApiClient) -> None:
    host = replicated(api)
    host("a").work(result=1)
    api("/set", {"7": {"priority": 100}})
    assert host("b").take()["jobid"] == 0
    assert host("b").take()["jobid"] == 7


def test_a_job_has_only_one_claim_at_once(api: ApiClient) -> None:
    host = replicated(api)
    host("a").work(result=1)
    assert host("b").take() is not None
    assert host("c").take() is None


def test_a_disagreement_needs_another_host_and_marks_the_one_that_was_wrong(shared: Server, api: ApiClient) -> None:
    host = replicated(api)
    host("a").work(result=1)
    assert host("b").work(result=2)["jobstage"] == 0
    assert host("c").work(result=1)["jobstage"] == 2
    assert records(shared, api) == {"a": (1, 0), "b": (0, 1), "c": (1, 0)}


def records(server: Server, api: ApiClient) -> dict[str, tuple[int, int]]:
    """The results of each host that agreed in a row and that disagreed."""
    name = api("/get").json()["list"]
    found = rows(
        server,
        f"SELECT host, agreed, disagreed FROM host_record JOIN job_list ON job_list.id = list_id WHERE name = '{name}'",
    )
    return {host: (agreed, disagreed) for host, agreed, disagreed in found}


def test_results_that_never_agree_make_the_job_invalid(shared: Server, api: ApiClient) -> None:
    host = replicated(api)
    api("/lifetime/1/60?max_attempts=2")
    last = [host(f"h{number}").work(result=number) for number in range(4)][-1]
    assert (last["jobstage"], last["failed"]) == (1, True)
    assert "4 results, and no 2 of them agree" in last["message"]
    assert "result 3: h2" in last["message"]
    job = jobs_of(shared, api("/get").json()["list"])[0]
    assert (job["outcome"], job["condition"]) == ("failed", "invalid")
    assert "result 1: h0" in job["error"]
    assert api("/get").json()["done"] == 0


@pytest.mark.parametrize("decides", [False, True], ids=["first result", "deciding result"])
def test_a_repeated_report_counts_once(shared: Server, api: ApiClient, decides: bool) -> None:
    host = replicated(api)
    if decides:
        host("a").work(result=1)
    job = host("b").take()
    first = host("b").report(job, result=1)
    assert host("b").report(job, result=1) == first
    assert first["jobstage"] == 2 * decides
    if not decides:
        assert rows(shared, f"SELECT COUNT(*) FROM replica WHERE claim = '{job['claim']}'") == [(1,)]
        assert host("c").take() is not None


def test_a_result_survives_a_kill_of_the_server(new_server: Callable[..., Server], jobix: int) -> None:
    server = new_server().start()
    api = ApiClient(server.url, jobix)
    host = replicated(api)
    job = host("a").take()
    first = host("a").report(job, result=1)
    server.kill()
    api.url = server.start().url
    assert host("a").report(job, result=1) == first
    assert host("a").take() is None
    assert host("b").work(result=1)["jobstage"] == 2


def test_an_attempt_that_fails_keeps_the_results_of_other_hosts(api: ApiClient) -> None:
    host = replicated(api)
    host("a").work(result=1)
    job = host("b").take()
    assert api(f"/update_job/{job['jobid']}/0", {"error": "no disk"}, claim=job["claim"]).status_code == 200
    assert host("a").take() is None
    assert host("b").work(result=1)["jobstage"] == 2


def test_a_new_run_of_a_job_forgets_the_results_of_the_last(new_server: Callable[..., Server], jobix: int) -> None:
    server = new_server().start()
    api = ApiClient(server.url, jobix)
    host = replicated(api)
    api("/lifetime/1/60?max_attempts=1")
    for number in range(3):
        host(f"h{number}").work(result=number)
    assert api("/get").json()["failed"] == 1
    assert api("/check_stages/1/0").json()["degraded"] == 1
    assert host("h0").work(result=5)["jobstage"] == 0
    assert rows(server, "SELECT host FROM replica") == [("h0",)]
    assert host("h1").work(result=5)["jobstage"] == 2


def test_three_agreeing_results(api: ApiClient) -> None:
    host = replicated(api, results=3)
    assert [host(name).work(result=1)["jobstage"] for name in "abc"] == [0, 0, 2]


def test_the_command_for_the_next_stage_must_agree_too(api: ApiClient) -> None:
    host = replicated(api)
    host("a").work(result=1, jobcmd={"rm": "no"})
    assert host("b").work(result=1, jobcmd={"rm": "yes"})["jobstage"] == 0
    assert host("c").work(result=1, jobcmd={"rm": "no"})["jobstage"] == 2
    assert api("/get/2").json()["jobcmd"] == {"rm": "no"}


def test_output_files_are_compared_by_their_sha256(api: ApiClient) -> None:
    host = replicated(api, compare="sha256")
    outputs = [[{"path": f"/{name}/x", "bytes": 1, "sha256": sha}] for name, sha in zip("ab", SHA, strict=True)]
    job = host("a").take()
    refused = api(f"/update_job/{job['jobid']}/2", {"result": 1}, claim=job["claim"])
    assert (refused.status_code, "needs the key outputs" in refused.json()["message"]) == (400, True)
    assert host("a").report(job, outputs=outputs[0])["jobstage"] == 0
    assert host("b").work(outputs=outputs[1])["jobstage"] == 0
    assert host("c").work(outputs=outputs[0], result=[])["jobstage"] == 2


def test_a_command_compares_with_the_earlier_results_and_the_earliest_is_accepted(api: ApiClient) -> None:
    host = replicated(api, compare=["near", "{mine}", "{other}"])
    job = host("a").take()
    assert "compare" not in job  # nothing to compare with
    host("a").report(job, result=1.0)
    job = host("b").take()
    assert job["compare"]["command"] == ["near", "{mine}", "{other}"]
    [earlier] = job["compare"]["results"]
    assert earlier["result"] == 1.0
    wrong = api(f"/update_job/{job['jobid']}/2", {"result": 1, "agrees_with": 10**9}, claim=job["claim"])
    assert (wrong.status_code, "is not the number of an earlier result" in wrong.json()["message"]) == (400, True)
    assert host("b").report(job, result=99.0)["jobstage"] == 0  # agrees with none
    job = host("c").take()
    assert [other["result"] for other in job["compare"]["results"]] == [1.0, 99.0]
    last = host("c").report(job, result=666, filename="mine", agrees_with=earlier["number"])
    assert last["jobstage"] == 2
    assert last["replaced"] is True  # the worker must not publish its own files


def test_a_claim_needs_the_name_of_a_worker(api: ApiClient) -> None:
    replicated(api)
    for headers in ({}, {"worker": ":7"}):
        response = api("/get/0", **headers)
        assert response.status_code == 400
        assert "send the header worker" in response.json()["message"]
    assert Host(api, "without-a-colon").work(result=1)["jobstage"] == 0


def test_without_replication_waiting_jobs_become_available(api: ApiClient) -> None:
    host = replicated(api)
    host("a").work(result=1)
    api("/rules/1", {"replication": None})
    assert host("a").work(result=1)["jobstage"] == 2


def test_a_lost_claim_keeps_the_results_of_other_hosts(new_server: Callable[..., Server], jobix: int) -> None:
    server = new_server().start()
    api = ApiClient(server.url, jobix)
    host = replicated(api)
    api("/lifetime/1/60?requeue=0")
    host("a").work(result=1)
    host("b").take()
    expire(server, api, 0)
    assert host("a").take("/get/0?wait=1") is None
    assert host("b").work(result=1)["jobstage"] == 2


def test_a_waiting_host_gets_a_job_to_confirm_at_once(new_server: Callable[..., Server], jobix: int) -> None:
    server = new_server().start()
    api = ApiClient(server.url, jobix)
    host = replicated(api)
    job = host("a").take()
    with ThreadPoolExecutor() as pool:
        others = [
            pool.submit(Host(ApiClient(server.url, jobix), name).take, "/get/0?wait=8") for name in ("a", "a", "b")
        ]
        time.sleep(0.5)
        started = time.monotonic()
        host("a").report(job, result=1)
        assert others[2].result() is not None
        assert time.monotonic() - started < 1
        assert [other.result() for other in others[:2]] == [None, None]


def test_a_trusted_host_needs_no_other_except_for_spot_checks(new_server: Callable[..., Server], jobix: int) -> None:
    server = new_server().start()
    api = ApiClient(server.url, jobix)
    host = replicated(api, 200, adaptive=True)
    for _ in range(10):
        assert host("a").work(result=1)["jobstage"] == 0
        assert host("b").work(result=1)["jobstage"] == 2
    alone = [host("a").work(result=1)["jobstage"] for _ in range(50)]
    assert alone.count(2) >= 30  # a tenth or less is checked
    checked = alone.count(0)
    for _ in range(checked):
        host("c").work(result=-1)
    assert "c" not in records(server, api)  # undecided
    for _ in range(checked):
        host("d").work(result=-1)
    if checked:
        assert records(server, api)["a"] == (0, checked)  # trust is lost
        assert host("a").work(result=1)["jobstage"] == 0
