"""The open page of a list that two real workers drain."""

import gzip
import subprocess
import sys
import time
from typing import Any

import requests

from tests.browser.conftest import (
    do_jobs,
    make_list,
    name_of,
    number_on_page,
    save_screenshot,
    sign_in,
    wait_for,
    wait_until_true,
)
from tests.support.paths import ROOT
from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened, rows

JOBS = 60
COMPRESSED_KB = 120


def start_worker(api: ApiClient, stage: int) -> subprocess.Popen[bytes]:
    """A worker process that ends when no job is left."""
    command = [sys.executable, "-m", "client", "work", str(stage), "--wait-s", "4", "--url", api.url]
    return subprocess.Popen(
        [*command, "--jobix", str(api.jobix), "--", "true"], cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_every_number_equals_the_database_in_the_end(shared: Server, api: ApiClient, visit: Any) -> None:
    page = visit(api)
    workers = [start_worker(api, stage) for stage in (0, 2)]
    wait_until_true(page, "Number(document.querySelector('[data-n=done]').textContent) > 5")
    save_screenshot(page, "draining")
    assert [worker.wait(60) for worker in workers] == [0, 0]
    wait_for(page, "percent", "100")
    stored = {
        stage: (jobs, flagged)
        for stage, jobs, flagged in rows(
            shared,
            "SELECT jobstage, COUNT(*), SUM(overdue) FROM job JOIN job_list"
            f" ON job_list.id = list_id WHERE job_list.name = '{name_of(api)}' GROUP BY jobstage",
        )
    }
    assert stored == {4: (JOBS, 0)}
    wait_for(page, "workers", "0")
    numbers = {
        name: number_on_page(page, name) for name in ("done", "jobs", "available", "working", "expired", "failed")
    }
    assert numbers == {
        "done": str(JOBS), "jobs": str(JOBS), "available": "0", "working": "0", "expired": "0", "failed": "0"
    }  # fmt: skip
    assert page.inner_text("#left span") == "all done"
    assert page.title().startswith("100 % · ")
    assert "data:image/svg" in page.get_attribute("link[rel=icon]", "href")
    assert page.inner_text("#key li:last-child b") == str(JOBS)
    wait_until_true(page, "document.querySelectorAll('#jobs-all tbody tr').length === 50")
    wait_until_true(page, "[...document.querySelectorAll('#rows .of-stage')].every(one => one.innerText === '4 done')")
    paces = api(f"/live?list={name_of(api)}").json()["paces"]
    assert [row.split()[0] for row in page.locator("#paces tbody tr").all_inner_texts()] == [
        str(pace["stage"]) for pace in paces
    ]
    save_screenshot(page, "drained", full_page=True)


def test_updated_rows_keep_ticks_focus_and_scroll_position(shared: Server, api: ApiClient, visit: Any) -> None:
    page = visit(api)
    page.focus("#all-20 a")
    page.evaluate("scrollTo(0, 700)")
    before = page.evaluate("document.activeElement.getBoundingClientRect().top")
    job = api("/get/0", worker="node7:1").json()
    page.wait_for_selector("#jobs-working tr")
    assert page.inner_text("#jobs-working tbody .cut >> nth=0") == "node7:1"
    assert page.evaluate("document.activeElement.closest('tr').id") == "all-20"
    assert abs(page.evaluate("document.activeElement.getBoundingClientRect().top") - before) < 2
    api(f"/update_job/{job['jobid']}/2", claim=job["claim"])
    page.wait_for_selector("#jobs-working tr", state="detached")
    assert page.inner_text("#working") == "Running: 0"


def test_the_page_of_an_empty_list_shows_its_first_jobs(shared: Server, jobix: int, visit: Any) -> None:
    api = make_list(shared, jobix, jobs=0)
    page = visit(api)
    assert "set --files" in page.inner_text("main")
    save_screenshot(page, "empty")
    api("/set", {"1": {}})
    page.wait_for_selector(".hero")
    wait_for(page, "jobs", "1")


def test_the_whole_page_is_small_when_compressed(shared: Server, api: ApiClient, visit: Any) -> None:
    page = visit(api)
    page.wait_for_selector("#chart .uplot, #chart p")
    loaded = [page.url, *page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")]
    assert all(url.startswith(shared.url) for url in loaded)
    assert any("uPlot" in url for url in loaded)
    assert any("socket.io-client" in url for url in loaded)
    sizes = {url: len(gzip.compress(requests.get(url, timeout=10).content)) / 1000 for url in set(loaded)}
    assert sum(sizes.values()) < COMPRESSED_KB, sizes


def test_the_lists_and_the_workers_are_refreshed(shared: Server, api: ApiClient, visit: Any) -> None:
    make_list(shared, api.jobix - 1)  # a server with a single list has no page of lists
    lists, workers = visit(api, live=False), visit(api, "/workers", live=False)
    lists.goto(f"{shared.url}/get")
    row = f"[...document.querySelectorAll('tbody tr')].find(row => row.cells[0].innerText === '{name_of(api)}')"
    assert lists.evaluate(f"{row}.cells[1].innerText") == "0 %"
    do_jobs(api, 30)
    do_jobs(api, 30, stage=2)
    wait_until_true(lists, f"{row}.cells[1].innerText === '50 %'")
    wait_until_true(workers, "document.querySelector('tbody tr')?.cells[3].innerText === '60'")
    save_screenshot(lists, "lists")
    lists.set_viewport_size({"width": 360, "height": 800})
    save_screenshot(lists, "lists-360")
    assert not lists.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_refreshed_pages_keep_typed_text_and_messages(api: ApiClient, visit: Any) -> None:
    page = visit(api)
    sign_in(page, api)
    page.goto(f"{api.url}/job/0?list={name_of(api)}")
    page.click("text=Set priority")
    page.wait_for_selector(".notice >> text=priority 0")
    page.fill("[name=priority]", "7")
    lifetimes = visit(api, "/lifetime", live=False)
    do_jobs(api, 1)
    wait_until_true(page, "document.querySelector('main table')?.innerText.includes('node1:1')")
    assert page.input_value("[name=priority]") == "7"
    assert "priority 0" in page.inner_text(".notice")
    wait_until_true(lifetimes, "document.querySelector('[aria-label=\"Stage 1\"] svg.histogram') !== null")


def test_the_chart_of_a_long_period_shows_thin_bars(shared: Server, api: ApiClient, visit: Any) -> None:
    hour_ms = 3_600_000
    last = int(time.time() * 1000) // hour_ms * hour_ms
    with opened(shared) as database:
        list_id = database.rows("SELECT id FROM job_list WHERE name = ?", name_of(api))[0][0]
        for hour in range(1, 290):
            start = last - hour * hour_ms
            database.run("INSERT INTO throughput VALUES (?, 1, 3600, ?, 1000, 0)", list_id, start)
    page = visit(api)
    page.click("[data-span=all]")
    coloured = (
        "(() => { const canvas = document.querySelector('#chart canvas');"
        " const data = canvas?.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data ?? [];"
        " let n = 0; for (let at = 0; at < data.length; at += 4) n += Math.abs(data[at + 1] - data[at]) > 50;"
        " return n; })()"
    )
    wait_until_true(page, f"{coloured} > 10000")
    save_screenshot(page, "chart-all")
