"""The pages show the state of the database."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.page import get_page
from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened

JOBIX = 5823910467712093341
ODD_NAMES = ["a&b=c", "what? #1/2", "100%", "漢字 <b>"]
UNITS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86_400}
COUNTED = "SELECT jobstage, COUNT(*), SUM(overdue = 1 OR outcome <> 'none') FROM job GROUP BY 1 ORDER BY 1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A server with a list whose jobs are in all states, held in time by one worker; and a few other lists."""
    server = Server(tmp_path_factory.mktemp("pages"), sweep_every_s="3600").start()
    api = ApiClient(server.url, JOBIX)
    api("/init/0/90/0/0/0?name=gaia")
    api("/set", {str(jobid): {"jobcmd": {"file": f"{jobid}.fits"}} for jobid in range(100, 170)})
    api("/set", {"7": {"jobcmd": None, "jobstage": 3}})
    done = api("/get/0?n=24", claim="a" * 32, worker="node:1").json()
    own = [{"jobid": job["jobid"], "claim": "a" * 32, "filename": f"out/{job['jobid']}"} for job in done]
    api("/update_jobs", [job | {"jobstage": 2} for job in own])
    again = api("/get/2?n=11", claim="b" * 32).json()
    api("/update_jobs", [{"jobid": job["jobid"], "jobstage": 4, "claim": "b" * 32} for job in again[:7]])
    api("/get/0?n=5", claim="c" * 32, worker="nøde:2")
    for _ in range(2):
        api("/lifetime/1/90?max_attempts=2")
        job = api("/get/0").json()
        api(f"/update_job/{job['jobid']}/0", {"error": "it broke"}, claim=job["claim"])
    api("/lifetime/3/0.0001")
    assert api("/check_stages").json()["flagged"] == 6
    for number, name in enumerate(["empty", *ODD_NAMES]):
        api.session.get(f"{server.url}/init/0/10", params={"name": name}, headers={"jobix": str(number)})
    yield SimpleNamespace(server=server, api=api, url=server.url)
    server.kill()


def rows(site: SimpleNamespace, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a SELECT on the jobs of the first list."""
    with opened(site.server) as database:
        return database.rows(sql.replace("FROM job", "FROM job WHERE list_id = 1"))


def seconds(text: str) -> float:
    """Parses a duration of a page."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+) (ms|s|min|h|d)\b", text))


def facts(element: Any) -> dict[str, str]:
    """The first description list below an element, as term: value."""
    return {pair.all("dt")[0].text: pair.all("dd")[0].text for pair in element.all("dl", "facts")[0].all("div")}


def section(page: Any, name: str) -> Any:
    """The section with this heading."""
    return next(element for element in page.all("section") if element.attributes.get("aria-labelledby") == name)


def test_percent_and_counts_equal_the_database(site: SimpleNamespace) -> None:
    page = get_page(f"{site.url}/get?list=gaia")
    sums = """COUNT(*), SUM(jobstage = 4), SUM(jobstage % 2 AND outcome = 'none' AND NOT overdue), SUM(overdue = 1),
        SUM(outcome = 'failed')"""
    jobs, done, working, expired, failed = rows(site, f"SELECT {sums} FROM job")[0]
    assert (jobs, done, working, expired, failed) == (71, 7, 5, 5, 1)
    numbers = facts(page)
    assert {name: numbers[name] for name in ("done", "available", "working", "expired", "failed", "workers")} == {
        "done": f"{done} of {jobs}", "available": str(jobs - done - working - failed - expired),
        "working": str(working), "expired": str(expired), "failed": str(failed), "workers": "1",
    }  # fmt: skip
    assert page.all(kind="percent")[0].text == "9.8 %"  # 7 of 71, rounded down
    assert page.all("title")[0].text in ("9 % · gaia", "9.8 % · gaia")


def test_the_progress_bar_is_divided_by_stage_counts(site: SimpleNamespace) -> None:
    page = get_page(f"{site.url}/get?list=gaia")
    counted = rows(
        site, "SELECT jobstage, COUNT(*), SUM(overdue = 1), SUM(outcome <> 'none') FROM job GROUP BY 1 ORDER BY 1"
    )
    assert len(counted) == 5
    pieces = [element for element in page.all("svg", "bar")[0].all("rect") if element.attributes["class"] != "paper"]
    segments, position = [], 0.0
    for piece in pieces:
        width, start = (float(piece.attributes[name].rstrip("%")) for name in ("width", "x"))
        assert start == pytest.approx(position - width if piece.attributes["class"] == "late" else position, abs=0.01)
        position = start + width
        segments.append((piece.attributes["class"], pytest.approx(width, abs=0.01), piece.text))
    expected, keys = [], []
    for stage, jobs, overdue, failed in counted:
        flagged, late = overdue + failed, f"{overdue} expired" * bool(overdue) + f"{failed} failed" * bool(failed)
        kind, word = ("work", "working") if stage % 2 else ("done", "done") if stage == 4 else ("wait", "waiting")
        keys.append((kind, f"{stage} {word}{jobs if kind == 'done' else jobs - flagged}{late}"))
        expected.append((kind, 100 * jobs / 71, f"stage {stage}: {jobs}"))
        if flagged:
            expected.append(("late", 100 * flagged / 71, f"stage {stage}: {flagged} expired or failed"))
    assert expected == segments
    assert position == pytest.approx(100, abs=0.01)
    assert [(element.attributes["class"], element.text) for element in page.all("ul", "key")[0].all("li")] == keys


COLUMNS = """SELECT jobid, jobstage, overdue + 2 * (outcome <> 'none') AS flag, attempt, worker, filename, error,
    jobcmd, deadline, datecommitted FROM job"""


@pytest.mark.parametrize(
    ("name", "heading", "order"),
    [
        ("attention", "Needs attention: 6", "AND (overdue = 1 OR outcome <> 'none') ORDER BY jobstage, jobid"),
        ("working", "Running: 5", "AND NOT overdue AND outcome = 'none' AND jobstage % 2 = 1 ORDER BY jobstage, jobid"),
        ("all", "All jobs: 71", "ORDER BY jobid LIMIT 50"),
    ],
)
def test_tables_show_each_job_as_in_the_database(site: SimpleNamespace, name: str, heading: str, order: str) -> None:
    page = section(get_page(f"{site.url}/get?list=gaia"), name)
    assert page.all("h2")[0].text == heading
    now = rows(site, "SELECT MAX(datecommitted) FROM job")[0][0]
    expected = rows(site, COLUMNS.replace("FROM job", f"FROM job {order}"))
    table = page.all("table")[0].table()
    assert [row[0] for row in table] == [str(row[0]) for row in expected]
    for cells, (_, stage, flag, attempt, worker, filename, error, jobcmd, deadline, since) in zip(
        table, expected, strict=True
    ):
        state = "failed" if flag > 1 else "expired" if flag > 0 else "working" if stage % 2 else "available"
        assert cells[1] == f"{stage} {'done' if stage == 4 else state}"
        assert seconds(cells[2]) == pytest.approx((now - since) / 1000, abs=20)
        if flag > 0 or deadline is None:
            assert cells[3] == ("over" if flag == 1 else "–")
        else:
            assert seconds(cells[3]) == pytest.approx((deadline - now) / 1000, abs=80)
        about = "" if jobcmd == "null" else jobcmd
        message = f"{error} {about}" if flag > 0 and error else about
        assert cells[4:] == [str(attempt or ""), worker or "", filename or "", message]


def test_the_pages_of_a_long_table_show_each_job_once(site: SimpleNamespace) -> None:
    address, jobids = "/get?list=gaia", []
    while address:
        page = section(get_page(site.url + address), "all")
        jobids += [int(row[0]) for row in page.all("table")[0].table()]
        address = next(
            (element.attributes["href"] for element in page.all("a") if element.attributes.get("rel") == "next"), ""
        )
    assert jobids == [row[0] for row in rows(site, "SELECT jobid FROM job ORDER BY jobid")]


def test_the_page_of_lifetimes_equals_the_database(site: SimpleNamespace) -> None:
    stages = get_page(f"{site.url}/lifetime?list=gaia").all("section", "stage")
    counted = {row[0]: row[1:] for row in rows(site, COUNTED)}
    lifetimes = site.api("/lifetime").json()
    assert len(stages) == len(lifetimes) == 5
    for number, stage in enumerate(stages):
        lifetime, numbers = lifetimes[str(number)], facts(stage)
        word = "working" if number % 2 else "done" if number == 4 else "waiting"
        assert stage.all("h2")[0].text == f"{number} {word}"
        assert numbers["when it is over"] == ("marked as expired" if lifetime["minutes"] else "–")
        if lifetime["minutes"]:
            assert seconds(numbers["lifetime"]) == pytest.approx(lifetime["minutes"] * 60)
        else:
            assert numbers["lifetime"] == "no limit"
        assert numbers.get("max attempts") == (str(lifetime["max_attempts"]) if number % 2 else None)
        assert numbers["jobs now"] == str(counted[number][0])
        assert numbers["expired or failed now"] == str(counted[number][1])
        assert numbers["expired in total"] == ("5" if number == 3 else "0")
    ApiClient(site.url, 0)("/lifetime/1/10?requeue=0&max_attempts=0")  # the secret of the list "empty"
    other = facts(get_page(f"{site.url}/lifetime?list=empty").all("section", "stage")[1])
    assert (other["lifetime"], other["when it is over"]) == ("10 min", "returns to 0")
    assert other["max attempts"] == "unlimited"


@pytest.mark.parametrize("path", ["get", "lifetime"])
def test_several_lists_are_a_table_of_links(site: SimpleNamespace, path: str) -> None:
    page = get_page(f"{site.url}/{path}")
    table = page.all("table")[0].table()
    assert [row[0] for row in table] == ["gaia", "empty", *ODD_NAMES]
    assert table[0][1] == "9.8 %"
    assert table[1][1:] == ["0 %", "", "0", "0", "0", "0"]
    for name, link in zip(["gaia", "empty", *ODD_NAMES], page.all("table")[0].all("a"), strict=True):
        own = get_page(site.url + link.attributes["href"])
        assert own.all("header")[0].all("b")[0].text == name
        for other in own.all("nav")[0].all("a"):
            get_page(site.url + other.attributes["href"])


def test_empty_pages_explain_the_next_step(server: Server) -> None:
    for path in ("get", "lifetime"):
        assert f"jm --url {server.url} --jobix-file secret init 0 10" in get_page(f"{server.url}/{path}").text
    api = ApiClient(server.url, JOBIX)
    api("/init/0/10?name=only")
    page = get_page(f"{server.url}/get")
    assert "This list has no jobs yet" in page.text
    assert page.all("header")[0].all("b")[0].text == "only"  # the only list needs no table of lists
    assert len(get_page(f"{server.url}/lifetime").all("section", "stage")) == 3
    api("/set", {"1": {}})
    assert section(get_page(f"{server.url}/get"), "attention").text.strip() == "Needs attention: 0"
    assert get_page(f"{server.url}/get").all(kind="percent")[0].text == "0 %"
    api("/update_job/1/2", claim=api("/get/0").json()["claim"])
    assert get_page(f"{server.url}/get").all(kind="percent")[0].text == "100 %"


def test_names_are_shown_and_found(server: Server, jobix: int) -> None:
    api = ApiClient(server.url, jobix)
    names = ["ngc1234", "a<b>&.fits", "100%_x!", "data/2.fits"]
    api("/init?name=named")
    api("/set", [{"name": name, "jobcmd": {"number": number}} for number, name in enumerate(names)] + [{}])
    cells = {row[0]: row[1] for row in section(get_page(server.url + "/get?list=named"), "all").all("table")[0].table()}
    assert cells == {"0": "ngc1234", "1": "a<b>&.fits", "2": "100%_x!", "3": "data/2.fits", "4": ""}
    for text, jobid in (("NGC12", "0"), ("%_x!", "2"), ("data%2F", "3"), ("b%3E", "1")):
        found = section(get_page(server.url + f"/get?list=named&q={text}"), "all").all("table")[0].table()
        assert [row[0] for row in found] == [jobid]
    page = get_page(server.url + "/job/1?list=named")
    assert page.all("h1")[0].text.startswith("Job 1 a<b>&.fits ")
    assert page.all("title")[0].text.startswith("Job 1 a<b>&.fits · named")


def test_the_pages_show_the_lifetime_of_a_job_not_the_lease_of_its_claim(server: Server, jobix: int) -> None:
    api = ApiClient(server.url, jobix)
    api("/init/0/90/0?name=leased")
    api("/set", {"1": {}})
    api("/get/0?lease_s=120")
    assert "1 h 29 min left" in get_page(server.url + "/job/1?list=leased").text
    assert "1 h 29 min left" in section(get_page(server.url + "/get?list=leased"), "working").text
