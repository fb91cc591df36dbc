"""The layout does not shift while jobs are added and finished."""

from typing import Any

from tests.browser.conftest import do_jobs, wait_for, wait_until_true
from tests.support.server import ApiClient

SHIFTS = """window.shift = 0; new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });"""
MAX_SHIFT = 0.02  # Chromium calls a page stable below 0.1


def run_jobs(api: ApiClient, page: Any) -> None:
    """Lets jobs start, finish and fail, with the tables refreshed in between."""
    for round_number in range(5):
        held = api(f"/get/0?n={3 + round_number}", worker=f"node{round_number}:1").json()
        page.wait_for_timeout(1000)
        for number, job in enumerate(held):
            failed = {"error": "ValueError: bad header"} if number == 0 else {}
            api(f"/update_job/{job['jobid']}/{0 if failed else 2}", failed, claim=job["claim"])
        page.wait_for_timeout(1300)


def test_rows_do_not_move_while_jobs_run(api: ApiClient, visit: Any) -> None:
    api("/get/0?n=8", worker="node9:1")
    page = visit(api)
    page.wait_for_selector("#chart .uplot, #chart p")
    do_jobs(api, 1)
    page.wait_for_selector("#chart .uplot")
    page.wait_for_timeout(1000)
    page.evaluate(SHIFTS)
    page.evaluate("window.shift = 0")
    run_jobs(api, page)
    assert page.evaluate("window.shift") < MAX_SHIFT


def test_a_scrolled_page_keeps_its_place(api: ApiClient, visit: Any) -> None:
    api("/lifetime/1/10?max_attempts=1")
    page = visit(api)
    page.evaluate("document.getElementById('all-30').scrollIntoView()")
    top = "document.getElementById('all-30').getBoundingClientRect().top"
    before = page.evaluate(top)
    run_jobs(api, page)
    wait_for(page, "failed", "5")
    wait_until_true(page, "document.querySelectorAll('#jobs-attention tbody tr').length === 5")
    assert abs(page.evaluate(top) - before) < 2


def test_selected_text_is_not_replaced(api: ApiClient, visit: Any) -> None:
    page = visit(api)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#all-0 .cut:last-child'))")
    api("/get/0", worker="node9:1")
    wait_for(page, "working", "1")
    page.wait_for_timeout(3000)
    assert "Iloc.npy" in page.evaluate("getSelection().toString()")
    assert page.inner_text("#working") == "Running: 0"
    page.evaluate("getSelection().removeAllRanges()")
    wait_until_true(page, "document.getElementById('working').innerText === 'Running: 1'", within_s=12)
