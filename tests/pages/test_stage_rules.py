"""The pages of a list with a check and replication: an invalid job, the results of hosts, and their records."""

import re

from tests.support.server import ApiClient, Server


def page(server: Server, path: str) -> str:
    """The text of a page, without its tags."""
    html = ApiClient(server.url, 0).session.get(server.url + path, headers={"Accept": "text/html"}, timeout=9).text
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html))


def test_an_invalid_job_and_the_results_of_hosts(server: Server, jobix: int) -> None:
    api = ApiClient(server.url, jobix)
    api("/init/0/60/0?name=mine")
    api("/set", {"1": {}, "2": {}})
    api("/lifetime/1/60?max_attempts=1")
    api("/rules/1", {"replication": {"results": 2, "adaptive": False}})
    for host, results in (("a", "11"), ("b", "12"), ("c", "33")):
        for result in results:
            job = api("/get/0", worker=f"{host}:1").json()
            if job != "nada":
                api(f"/update_job/{job['jobid']}/2", {"result": int(result)}, claim=job["claim"])
    first = page(server, "/job/1?list=mine")
    assert "Job 1 done, stage 2" in first
    assert len(re.findall("ago 1 [ab] [ab]:1 1 ", first)) == 2
    second = page(server, "/job/2?list=mine")
    assert "Job 2 invalid, stage 1" in second
    assert "3 results, and no 2 of them agree" in second
    assert "c c:1 3 " in second
    assert "1 invalid" in page(server, "/get?list=mine")
    assert "a 1 1 0 b 1 1 0" in page(server, "/workers?list=mine")


def test_a_page_without_rules_shows_none_of_this(server: Server, jobix: int) -> None:
    api = ApiClient(server.url, jobix)
    api("/init/0/60/0?name=mine")
    api("/set", {"1": {}})
    api("/get/0", worker="a:1")
    assert "Results of hosts" not in page(server, "/job/1?list=mine")
    assert "Hosts" not in page(server, "/workers?list=mine")
