"""The layout does not shift while jobs are added and finished."""

from typing import Any

from tests.browser.conftest import holds, wait_for, work
from tests.support.server import Asker

SHIFTS = """window.shift = 0; new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });"""
MAX_SHIFT = 0.02  # Chromium calls a page stable below 0.1


def run_jobs(ask: Asker, page: Any) -> None:
    """Lets jobs start, finish and fail, with the tables refreshed in between."""
    for turn in range(5):
        held = ask(f"/get/0?n={3 + turn}", worker=f"node{turn}:1").json()
        page.wait_for_timeout(1000)
        for number, job in enumerate(held):
            failed = {"error": "ValueError: bad header"} if number == 0 else {}
            ask(f"/update_job/{job['jobid']}/{0 if failed else 2}", failed, claim=job["claim"])
        page.wait_for_timeout(1300)


def test_rows_do_not_move_while_jobs_run(ask: Asker, visit: Any) -> None:
    ask("/get/0?n=8", worker="node9:1")
    page = visit(ask)
    page.wait_for_selector("#chart .uplot, #chart p")
    work(ask, 1)
    page.wait_for_selector("#chart .uplot")
    page.wait_for_timeout(1000)
    page.evaluate(SHIFTS)
    page.evaluate("window.shift = 0")
    run_jobs(ask, page)
    assert page.evaluate("window.shift") < MAX_SHIFT


def test_a_scrolled_page_keeps_its_place(ask: Asker, visit: Any) -> None:
    ask("/lifetime/1/10?max_attempts=1")
    page = visit(ask)
    page.evaluate("document.getElementById('all-30').scrollIntoView()")
    top = "document.getElementById('all-30').getBoundingClientRect().top"
    before = page.evaluate(top)
    run_jobs(ask, page)
    wait_for(page, "failed", "5")
    holds(page, "document.querySelectorAll('#jobs-attention tbody tr').length === 5")
    assert abs(page.evaluate(top) - before) < 2


def test_selected_text_is_not_replaced(ask: Asker, visit: Any) -> None:
    page = visit(ask)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#all-0 .cut:last-child'))")
    ask("/get/0", worker="node9:1")
    wait_for(page, "working", "1")
    page.wait_for_timeout(3000)
    assert "Iloc.npy" in page.evaluate("getSelection().toString()")
    assert page.inner_text("#working") == "Running: 0"
    page.evaluate("getSelection().removeAllRanges()")
    holds(page, "document.getElementById('working').innerText === 'Running: 1'", within_s=12)
