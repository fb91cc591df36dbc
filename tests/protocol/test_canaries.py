"""A host that is set aside gets a canary now and then; a good one, or a person, readmits the host."""

import re
import time

import pytest
import requests

from tests.support.host_site import BAD, HOSTS, OF_LIST, Site
from tests.support.page import get_page


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
