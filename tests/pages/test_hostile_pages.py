"""Pages show hostile data as text, and stay well-formed and small."""

from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests

from tests.support.hostile import (
    CONTROL_CHARACTERS,
    JOBCMDS,
    MARKUP,
    NAME,
    PRODUCT,
    QUOTED,
    RIGHT_TO_LEFT,
    TOKEN,
    WORKER,
    hostile_site,
)
from tests.support.page import Page, get_page
from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient

BOUND = 600_000  # bytes: the maximum size of a page
OF_LIST = [f"{path}?list={QUOTED}" for path in ("/get", "/lifetime", "/workers", "/signin")]
OF_JOBS = [f"/job/{jobid}?list={QUOTED}" for jobid in range(7)]
FORBIDDEN = {"img", "style", "iframe", "object", "embed", "base"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A server with hostile names and data, on each database."""
    on_postgresql = request.param == "postgresql"
    uri = make_postgresql_database(request.getfixturevalue("postgresql")) if on_postgresql else ""
    new_site = hostile_site(tmp_path_factory.mktemp("hostile"), uri)
    yield new_site
    new_site.server.kill()


def no_markup_of_others(page: Page) -> None:
    """Checks that the page has our own elements only, and no foreign links."""
    assert PRODUCT not in page.text
    for element in page.all():
        assert element.tag not in FORBIDDEN
        assert element.tag != "script" or (element.attributes["src"].startswith("/static/") and not element.text)
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        for attribute in ("href", "src", "action", "formaction"):
            assert element.attributes.get(attribute, "/")[0] in "/#?", f"a link to another site: {element.attributes}"


@pytest.mark.parametrize("path", ["/get", "/lifetime", *OF_LIST])
def test_a_list_name_like_markup_is_shown_as_text(site: SimpleNamespace, path: str) -> None:
    page = get_page(site.url + path)
    no_markup_of_others(page)
    assert NAME in (page.text if path in ("/get", "/lifetime") else page.all("header")[0].all("b")[0].text)


def test_data_of_jobs_is_escaped_in_the_tables(site: SimpleNamespace) -> None:
    page = get_page(site.url + OF_LIST[0])
    no_markup_of_others(page)
    assert page.text.count(WORKER) == 3 + 2 + 6  # failed jobs, held jobs, and all jobs that were claimed
    for text in (MARKUP, RIGHT_TO_LEFT):
        assert text in page.text
    assert WORKER in get_page(site.url + OF_LIST[2]).all("table")[0].text


@pytest.mark.parametrize("path", OF_JOBS)
def test_data_of_a_job_is_escaped_on_its_page(site: SimpleNamespace, path: str) -> None:
    page = get_page(site.url + path)
    no_markup_of_others(page)
    assert len(page.response.content) < BOUND
    texts = [element.text for element in page.all("pre")]
    if "/3?" in path:
        assert any(text.startswith(MARKUP + RIGHT_TO_LEFT) for text in texts)
    if "/5?" in path:
        assert f'"{JOBCMDS[5]}"' in texts
    assert WORKER in page.text or "/6?" in path


def test_right_to_left_text_does_not_affect_its_neighbours(site: SimpleNamespace) -> None:
    for path in (OF_LIST[0], *OF_JOBS):
        cells = [element for tag in ("td", "b", "pre", "dd") for element in get_page(site.url + path).all(tag)]
        affected = [element for element in cells if set(element.text) & set("\u202e\u2066\u200f")]
        assert affected or path not in (OF_LIST[0], OF_JOBS[1], OF_JOBS[6])
        assert all(element.attributes.get("dir") == "auto" for element in affected)


@pytest.mark.parametrize("path", [OF_LIST[0], OF_JOBS[2]], ids=["table", "job"])
def test_no_control_character_is_in_a_page(site: SimpleNamespace, path: str) -> None:
    """HTML allows none, and a page may be read in a terminal: curl …/get."""
    content = set(get_page(site.url + path).response.content.decode())
    assert sorted(map(ascii, content & (set(CONTROL_CHARACTERS) - set("\t\r\n") - {"\ufeff"}))) == []


def test_large_texts_are_truncated_and_the_page_stays_small(site: SimpleNamespace) -> None:
    api = ApiClient(site.url, 1)
    api("/init/0/600?name=large")
    api("/lifetime/1/600?max_attempts=1")
    api("/set", {str(jobid): {"jobcmd": '"<' * 2_000} for jobid in range(120)})
    report = {"filename": '"<>&' * 1024, "error": "'" * 10_000, "jobstage": 0, "claim": TOKEN}
    api("/get/0?n=60", claim=TOKEN, worker="'" * 200)
    outcomes = api("/update_jobs", [{"jobid": jobid} | report for jobid in range(60)]).json()["jobs"]
    assert all(outcome["failed"] for outcome in outcomes)
    api("/get/0?n=60", claim="d" * 32, worker="'" * 200)
    page = get_page(f"{site.url}/get?list=large")
    tables = [table.table() for table in page.all("table") if len(table.all("th")) > 7]
    assert [len(table) for table in tables] == [50, 50, 50]
    assert len(page.response.content) < 2 * BOUND, f"{len(page.response.content):,} bytes"


def test_a_high_stage_does_not_make_a_page_large(site: SimpleNamespace) -> None:
    api = ApiClient(site.url, 2)
    api("/init?name=high")
    api("/set", {"1": {"jobstage": 20_000}})  # the protocol allows up to 1,000,000
    for path in ("get", "lifetime"):
        response = requests.get(f"{site.url}/{path}?list=high", timeout=30)
        assert "20000" in response.text.replace(",", "")
        assert len(response.content) < BOUND, f"{path}: {len(response.content):,} bytes"


@pytest.mark.parametrize(
    "path", ["/get", "/lifetime", "/workers", "/rows", "/summary", "/live", "/chart", "/job/1", "/signin"]
)
def test_a_url_with_hostile_characters_gets_a_response(site: SimpleNamespace, path: str) -> None:
    names = (
        "q",
        "worker",
        "state",
        "sort",
        "after",
        "span",
        "stage",
        "job",
        "sort=worker&after=1&value",
        "heard=1&name",
    )
    faults = []
    for text in ("\x00", "\ud800", "x" * 5000, "%", "'; --", "9" * 30, RIGHT_TO_LEFT):
        quoted = quote(text.encode("utf-8", "surrogatepass"))
        for query in (f"list={quoted}", *(f"list={QUOTED}&{name}={quoted}" for name in names)):
            status = site.api.session.get(f"{site.url}{path}?{query}", timeout=9).status_code
            faults += [(status, query)] if status not in (200, 400, 404) else []
    assert faults == []
