"""Hosts are set aside if their jobs fail or end too fast, and readmitted by a canary; in stages that ask for it."""

import time
from concurrent.futures import Future
from typing import Any

import pytest

from tests.support.background_client import PROMPT_S, BackgroundClient
from tests.support.host_site import BAD, HOSTS, OF_LIST, Site


def test_one_bad_host_of_twenty_touches_few_jobs(site: Site) -> None:
    site.add(range(400))
    touched = set()
    for _ in range(19):
        for host in HOSTS:
            job = site.claim(host)
            if job is not None:
                touched |= {job["jobid"]} if host == BAD else set()
                site.report(job, ok=host != BAD)
    assert len(touched) == 3  # less than 1 %
    assert site.set_aside() == {BAD: "3 failures in a row"}
    assert site.events("set_aside") == [(BAD, None, "3 failures in a row")]


def test_a_job_that_fails_on_every_host_sets_nobody_aside(site: Site) -> None:
    site.add(range(200))
    for host in HOSTS * 2:
        bad, good = site.claim(host, "/get/0?n=2")
        assert bad["jobid"] == 0
        site.report(bad, ok=False)
        site.report(good)
    assert site.set_aside() == {}
    assert site.events("not_set_aside") == []


def test_jobs_that_failed_on_healthy_hosts_set_nobody_aside(site: Site) -> None:
    site.add(range(200))
    site.hear(HOSTS[3:10])
    for host in HOSTS[:2]:
        *bad, good = site.claim(host, "/get/0?n=3")
        for job in bad:
            site.report(job, ok=False)
        site.report(good)
    for job in site.claim(HOSTS[2], "/get/0?n=3"):
        site.report(job, ok=False)
    assert site.set_aside() == {}
    ((_, _, message),) = site.events("not_set_aside")
    assert "other hosts failed on the same jobs: check the jobs" in message


def test_if_every_job_fails_nobody_is_set_aside_and_one_event_tells_it(site: Site) -> None:
    site.add(range(40))
    for number in range(5):
        held = [site.claim(host) for host in HOSTS[number:] + HOSTS[:number]]
        for job in held:
            site.report(job, ok=False)
    assert site.set_aside() == {}
    ((_, actor, message),) = site.events("not_set_aside")
    assert actor is None
    assert "too few other hosts have good results: check the jobs and the server" in message


@pytest.mark.parametrize("others", [0, 1])
def test_the_last_hosts_are_not_set_aside(site: Site, others: int) -> None:
    site.add(range(20))
    site.hear(HOSTS[1 : 1 + others])
    for _ in range(8):
        site.report(site.claim(BAD), ok=False)
        site.run(f"UPDATE job SET priority = priority - 1 WHERE {OF_LIST} AND jobstage = 0 AND attempt > 0", site.name)
    assert site.set_aside() == {}
    assert len(site.events("not_set_aside")) == 1
    assert site.claim(BAD) is not None


def test_a_host_whose_results_come_too_fast_is_set_aside(site: Site) -> None:
    site.add(range(100))
    for _ in range(5):
        site.hear(HOSTS[1:5])
    for _ in range(5):
        assert site.set_aside() == {}
        site.report(site.claim(BAD), took_ms=10)
    assert site.set_aside() == {BAD: "5 results in a row in less than a tenth of the usual time"}
    assert site.claim(BAD) is None


def test_fast_results_of_many_hosts_set_nobody_aside(site: Site) -> None:
    site.add(range(200))
    for _ in range(5):
        site.hear(HOSTS[:4])
    for _ in range(7):
        for host in HOSTS[:4]:
            site.report(site.claim(host), took_ms=10)
    assert site.set_aside() == {}
    assert len(site.events("not_set_aside")) == 1


def test_no_host_is_set_aside_unless_the_stage_asks_for_it(site: Site) -> None:
    site.ask_for_set_aside(False)
    site.add(range(30))
    site.hear(HOSTS[1:6])
    site.fail(BAD, 5)
    assert site.set_aside() == {}
    assert site.claim(BAD) is not None
    assert site.run(f"SELECT * FROM host_record WHERE {OF_LIST}", site.name) == []


def test_a_worker_without_a_name_gets_jobs(aside: Site) -> None:
    for _ in range(4):
        job = aside.api("/get/0").json()
        aside.report(job, ok=False)
    assert list(aside.set_aside()) == [BAD]


def test_a_host_that_is_set_aside_gets_no_job_by_any_route(aside: Site) -> None:
    assert aside.claim(BAD) is None
    assert aside.claim(BAD, "/get/0?n=5") == []
    assert aside.claim(f"{BAD}:again") is not None  # another host, whose name has a colon
    assert aside.api("/update_jobs?next=0&n=2", [], worker=f"{BAD}:2").json()["next"] == []


def test_a_host_that_is_set_aside_waits_and_takes_no_wake_up(aside: Site, jobix: int, shared) -> None:
    for job in aside.claim(HOSTS[1], "/get/0?n=200"):
        aside.report(job)
    background = BackgroundClient(shared.url, jobix)
    start_s = time.monotonic()
    refused = background.send("/get/0?wait=3", worker=f"{BAD}:1")
    waiting: Future[Any] = background.send("/get/0?wait=20", worker=f"{HOSTS[1]}:1")
    aside.api("/set", {"1000": {}})
    assert waiting.result(PROMPT_S)["jobid"] == 1000
    aside.api("/set", {"1001": {}})
    assert refused.result(3 + PROMPT_S) == "nada"
    assert time.monotonic() - start_s >= 3


def test_a_report_that_claims_the_next_job_gets_none(site: Site) -> None:
    site.add(range(100))
    site.hear(HOSTS[1:6])
    site.fail(BAD, 2)
    job = site.claim(BAD)
    response = site.api(
        f"/update_job/{job['jobid']}/0?next=0", {"error": "disk full"}, claim=job["claim"], worker=f"{BAD}:1"
    )
    assert response.json()["next"] == "nada"
    assert list(site.set_aside()) == [BAD]
