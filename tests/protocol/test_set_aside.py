"""Hosts are set aside if their jobs fail or end too fast, and readmitted by a canary; in stages that ask for it."""

import re
import time
from concurrent.futures import Future
from typing import Any

import pytest
import requests

from tests.support.background_client import PROMPT_S, BackgroundClient
from tests.support.page import get_page
from tests.support.snapshot import opened

USUAL_MS = 60_000
HOSTS = [f"node{number}" for number in range(20)]
BAD = HOSTS[0]
OF_LIST = "list_id = (SELECT id FROM job_list WHERE name = ?)"


class Site:
    """A list whose stage 1 sets hosts aside, and its workers, one on each host."""

    def __init__(self, api, shared) -> None:
        self.api = api
        self.shared = shared
        api("/init/0/600/0")
        api("/lifetime/1/600?max_attempts=0")
        self.name = api("/get").json()["list"]
        self.ask_for_set_aside(True)

    def ask_for_set_aside(self, value: bool) -> None:
        response = self.api("/rules/1", {"set_aside": value})
        assert response.status_code == 200, response.text

    def add(self, jobids: range) -> None:
        self.api("/set", {str(jobid): {} for jobid in jobids})

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with opened(self.shared) as database:
            cursor = database.run(sql, *values)
            return list(cursor.fetchall()) if cursor.description else []

    def jobs(self) -> dict[int, dict[str, Any]]:
        with opened(self.shared) as database:
            return database.jobs(self.name)

    def claim(self, host: str, path: str = "/get/0") -> Any:
        response = self.api(path, worker=f"{host}:1")
        assert response.status_code == 200, response.text
        return None if response.json() == "nada" else response.json()

    def report(self, job: Any, ok: bool = True, took_ms: int = USUAL_MS) -> Any:
        """Ends a claim that began so long ago."""
        sql = f"UPDATE job SET claimed = claimed - ? WHERE {OF_LIST} AND jobid = ?"
        self.run(sql, took_ms, self.name, job["jobid"])
        body: dict[str, object] = {} if ok else {"error": "disk full"}
        response = self.api(f"/update_job/{job['jobid']}/{2 if ok else 0}", body, claim=job["claim"])
        assert response.status_code == 200, response.text
        return response.json()

    def fail(self, host: str, times: int) -> None:
        """Fails so many different jobs on a host. Other hosts do each of them before the next."""
        for _ in range(times):
            self.report(self.claim(host), ok=False)
            self.report(self.claim(HOSTS[-1]))

    def hear(self, hosts: list[str]) -> None:
        """Each of these hosts does a job."""
        for host in hosts:
            self.report(self.claim(host))

    def end_pause(self) -> None:
        """Makes the next canary due."""
        self.run(f"UPDATE host_record SET canary_at = 1 WHERE {OF_LIST}", self.name)

    def set_aside(self) -> dict[str, str]:
        """The hosts that are set aside, with the reasons."""
        sql = f"SELECT host, reason FROM host_record WHERE {OF_LIST} AND set_aside IS NOT NULL"
        return dict(self.run(sql, self.name))

    def events(self, kind: str) -> list[tuple[Any, ...]]:
        """The events of a kind: worker, actor and message."""
        sql = f"SELECT worker, actor, message FROM event WHERE {OF_LIST} AND kind = ? ORDER BY id"
        return self.run(sql, self.name, kind)


@pytest.fixture
def site(api, shared) -> Site:
    return Site(api, shared)


@pytest.fixture
def aside(site: Site) -> Site:
    """A site whose bad host is set aside, with many jobs left."""
    site.add(range(100))
    site.hear(HOSTS[1:6])
    site.fail(BAD, 3)
    assert list(site.set_aside()) == [BAD]
    return site


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


def test_a_canary_readmits_a_host(aside: Site) -> None:
    aside.end_pause()
    (canary,) = aside.claim(BAD, "/get/0?n=5")
    assert aside.claim(BAD) is None
    aside.report(canary)
    assert aside.set_aside() == {}
    assert aside.events("readmitted") == [(BAD, None, "was set aside: 3 failures in a row")]
    assert len(aside.claim(BAD, "/get/0?n=5")) == 5


def test_a_repeated_request_returns_the_same_canary(aside: Site) -> None:
    aside.end_pause()
    header = {"worker": f"{BAD}:1", "claim": "aCanaryOfMyOwnChoice"}
    first, second = (aside.api("/get/0", **header).json() for _ in range(2))
    assert first == second != "nada"
    assert aside.claim(BAD) is None


def test_a_failed_canary_costs_the_job_no_attempt_and_doubles_the_pause(aside: Site) -> None:
    pauses = []
    aside.api("/lifetime/1/600?max_attempts=1")
    for _ in range(3):
        aside.end_pause()
        canary = aside.claim(BAD)
        assert aside.report(canary, ok=False).get("failed") is not True
        job = aside.jobs()[canary["jobid"]]
        assert (job["jobstage"], job["failures"], job["outcome"]) == (0, 0, "none")
        assert aside.claim(BAD) is None
        ((canary_at,),) = aside.run(f"SELECT canary_at FROM host_record WHERE {OF_LIST} AND host = ?", aside.name, BAD)
        pauses.append(canary_at / 1000 - time.time())
    assert pauses == pytest.approx([120, 240, 480], abs=10)


def test_a_canary_that_is_too_fast_does_not_readmit(aside: Site) -> None:
    aside.add(range(100, 150))
    aside.hear(HOSTS[1:19])
    aside.end_pause()
    aside.report(aside.claim(BAD), took_ms=10)
    assert list(aside.set_aside()) == [BAD]


def test_a_lost_canary_is_followed_by_another_one(aside: Site) -> None:
    aside.end_pause()
    canary = aside.claim(BAD)
    aside.api("/lifetime/1/600?requeue=0")
    aside.run(f"UPDATE job SET deadline = 1 WHERE {OF_LIST} AND jobid = ?", aside.name, canary["jobid"])
    aside.api("/check_stages")
    assert aside.claim(BAD) is None
    aside.end_pause()
    assert aside.claim(BAD) is not None


def test_claims_from_before_neither_readmit_nor_count(site: Site) -> None:
    site.add(range(100))
    site.hear(HOSTS[1:6])
    before = site.claim(BAD, "/get/0?n=2")
    site.fail(BAD, 3)
    site.report(before[0])
    site.report(before[1], ok=False)
    assert site.set_aside() == {BAD: "3 failures in a row"}


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


def test_a_signed_in_person_sees_and_readmits_a_host(aside: Site) -> None:
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    url, fields = aside.shared.url, {"list": aside.name}

    def post(path: str, **values: object) -> requests.Response:
        form = browser.get(f"{url}/signin", params=fields, timeout=9).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token
        return browser.post(url + path, data=fields | {"csrf_token": token[1]} | values, timeout=9)

    (host, stage, state, since, canary), *_ = get_page(f"{url}/workers?list={aside.name}").all("table")[0].table()
    assert (host, stage, state) == (BAD, "1", "set aside: 3 failures in a row")
    assert since.endswith(" ago")
    assert canary.startswith("in ")
    assert post("/act/readmit", stage=1, host=BAD).status_code == 403
    assert list(aside.set_aside()) == [BAD]
    post("/signin", jobix=aside.api.jobix, name="Ada")
    assert ">Readmit</button>" in browser.get(f"{url}/workers", params=fields, timeout=9).text
    assert f"Host {BAD} gets jobs again." in post("/act/readmit", stage=1, host=BAD).text
    assert aside.set_aside() == {}
    assert aside.events("readmitted") == [(BAD, "Ada", "was set aside: 3 failures in a row")]
    assert aside.claim(BAD) is not None
    assert f"Host {BAD} was not set aside." in post("/act/readmit", stage=1, host=BAD).text
    assert "Readmit" not in browser.get(f"{url}/workers", params=fields, timeout=9).text
