"""Pages show hostile data as text, and stay well-formed and small."""

from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests

from tests.support.hostile import (
    CONTROLS,
    DIRECTIONS,
    JOBCMDS,
    MARKUP,
    NAME,
    PRODUCT,
    QUOTED,
    TOKEN,
    WORKER,
    hostile_place,
)
from tests.support.page import Page, seen
from tests.support.postgresql import make_postgresql_database
from tests.support.server import Asker

BOUND = 600_000  # bytes: the maximum size of a page
OF_LIST = [f"{path}?list={QUOTED}" for path in ("/get", "/lifetime", "/workers", "/signin")]
OF_JOBS = [f"/job/{jobid}?list={QUOTED}" for jobid in range(7)]
FORBIDDEN = {"img", "style", "iframe", "object", "embed", "base"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A server with hostile names and data, on each database."""
    own = request.param == "postgresql"
    uri = make_postgresql_database(request.getfixturevalue("postgresql")) if own else ""
    made = hostile_place(tmp_path_factory.mktemp("hostile"), uri)
    yield made
    made.server.kill()


def no_markup_of_others(page: Page) -> None:
    """Checks that the page has our own elements only, and no foreign links."""
    assert PRODUCT not in page.text
    for one in page.all():
        assert one.tag not in FORBIDDEN
        assert one.tag != "script" or (one.attributes["src"].startswith("/static/") and not one.text)
        assert not [name for name in one.attributes if name.startswith("on") or name == "style"]
        for where in ("href", "src", "action", "formaction"):
            assert one.attributes.get(where, "/")[0] in "/#?", f"it leads elsewhere: {one.attributes}"


@pytest.mark.parametrize("path", ["/get", "/lifetime", *OF_LIST])
def test_a_list_name_like_markup_is_shown_as_text(place: SimpleNamespace, path: str) -> None:
    page = seen(place.url + path)
    no_markup_of_others(page)
    assert NAME in (page.text if path in ("/get", "/lifetime") else page.all("header")[0].all("b")[0].text)


def test_data_of_jobs_is_escaped_in_the_tables(place: SimpleNamespace) -> None:
    page = seen(place.url + OF_LIST[0])
    no_markup_of_others(page)
    assert page.text.count(WORKER) == 3 + 2 + 6  # failed jobs, held jobs, and all jobs that were claimed
    for text in (MARKUP, DIRECTIONS):
        assert text in page.text
    assert WORKER in seen(place.url + OF_LIST[2]).all("table")[0].text


@pytest.mark.parametrize("path", OF_JOBS)
def test_data_of_a_job_is_escaped_on_its_page(place: SimpleNamespace, path: str) -> None:
    page = seen(place.url + path)
    no_markup_of_others(page)
    assert len(page.answer.content) < BOUND
    shown = [one.text for one in page.all("pre")]
    if "/3?" in path:
        assert any(text.startswith(MARKUP + DIRECTIONS) for text in shown)
    if "/5?" in path:
        assert f'"{JOBCMDS[5]}"' in shown
    assert WORKER in page.text or "/6?" in path


def test_right_to_left_text_does_not_affect_its_neighbours(place: SimpleNamespace) -> None:
    for path in (OF_LIST[0], *OF_JOBS):
        cells = [one for tag in ("td", "b", "pre", "dd") for one in seen(place.url + path).all(tag)]
        turning = [one for one in cells if set(one.text) & set("\u202e\u2066\u200f")]
        assert turning or path not in (OF_LIST[0], OF_JOBS[1], OF_JOBS[6])
        assert all(one.attributes.get("dir") == "auto" for one in turning)


@pytest.mark.parametrize("path", [OF_LIST[0], OF_JOBS[2]], ids=["table", "job"])
def test_no_control_character_is_in_a_page(place: SimpleNamespace, path: str) -> None:
    """HTML allows none, and a page may be read in a terminal: curl …/get."""
    content = set(seen(place.url + path).answer.content.decode())
    assert sorted(map(ascii, content & (set(CONTROLS) - set("\t\r\n") - {"\ufeff"}))) == []


def test_large_texts_are_truncated_and_the_page_stays_small(place: SimpleNamespace) -> None:
    ask = Asker(place.url, 1)
    ask("/init/0/600?name=large")
    ask("/lifetime/1/600?max_attempts=1")
    ask("/set", {str(jobid): {"jobcmd": '"<' * 2_000} for jobid in range(120)})
    said = {"filename": '"<>&' * 1024, "error": "'" * 10_000, "jobstage": 0, "claim": TOKEN}
    ask("/get/0?n=60", claim=TOKEN, worker="'" * 200)
    told = ask("/update_jobs", [{"jobid": jobid} | said for jobid in range(60)]).json()["jobs"]
    assert all(one["failed"] for one in told)
    ask("/get/0?n=60", claim="d" * 32, worker="'" * 200)
    page = seen(f"{place.url}/get?list=large")
    tables = [table.table() for table in page.all("table") if len(table.all("th")) > 7]
    assert [len(table) for table in tables] == [50, 50, 50]
    assert len(page.answer.content) < 2 * BOUND, f"{len(page.answer.content):,} bytes"


def test_a_high_stage_does_not_make_a_page_large(place: SimpleNamespace) -> None:
    ask = Asker(place.url, 2)
    ask("/init?name=high")
    ask("/set", {"1": {"jobstage": 20_000}})  # the protocol allows up to 1,000,000
    for where in ("get", "lifetime"):
        answer = requests.get(f"{place.url}/{where}?list=high", timeout=30)
        assert "20000" in answer.text.replace(",", "")
        assert len(answer.content) < BOUND, f"{where}: {len(answer.content):,} bytes"


@pytest.mark.parametrize(
    "path", ["/get", "/lifetime", "/workers", "/rows", "/summary", "/live", "/chart", "/job/1", "/signin"]
)
def test_a_url_with_hostile_characters_gets_a_response(place: SimpleNamespace, path: str) -> None:
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
    for text in ("\x00", "\ud800", "x" * 5000, "%", "'; --", "9" * 30, DIRECTIONS):
        quoted = quote(text.encode("utf-8", "surrogatepass"))
        for query in (f"list={quoted}", *(f"list={QUOTED}&{name}={quoted}" for name in names)):
            status = place.ask.session.get(f"{place.url}{path}?{query}", timeout=9).status_code
            faults += [(status, query)] if status not in (200, 400, 404) else []
    assert faults == []
