"""Accessibility: phone screens, dark mode, keyboard, screen readers; and hostile content of jobs."""

from typing import Any

import pytest

from tests.browser.conftest import AXE, do_jobs, make_list, name_of, save_screenshot, sign_in, wait_for, wait_until_true
from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened

PATHS = ("/get", "/lifetime", "/workers", "/job/0", "/signin")
WIDER = "document.documentElement.scrollWidth > innerWidth"
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp.exe \u2066 &lt;b&gt; {{7*7}} é 漢字 '
LONG = "x" * 100_000


@pytest.fixture
def busy(api: ApiClient) -> ApiClient:
    """A list with jobs in every state."""
    api("/lifetime/1/10?max_attempts=1")
    do_jobs(api, 20)
    do_jobs(api, 8, stage=2, worker="node2:1")
    for job in api("/get/0?n=3", worker="node3:1").json():
        api(f"/update_job/{job['jobid']}/0", {"error": "ValueError: no such file"}, claim=job["claim"])
    api("/get/0?n=4", worker="node4:1")
    return api


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1180])
def test_every_page_fits_and_axe_reports_nothing_serious(busy: ApiClient, visit: Any, width: int, dark: bool) -> None:
    page = visit(busy, viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light",
                 bypass_csp=True)  # fmt: skip
    sign_in(page, busy)
    for path in PATHS:
        page.goto(f"{busy.url}{path}?list={name_of(busy)}")
        if path == "/get":
            page.wait_for_selector("#status.live")
            page.wait_for_selector("#chart .uplot")
        assert not page.evaluate(WIDER), f"{path} is wider than {width} px"
        save_screenshot(
            page, f"{path.strip('/').replace('/', '-')}-{width}-{'dark' if dark else 'light'}", full_page=True
        )
        if not AXE.is_file():
            continue
        page.add_script_tag(path=AXE)
        violations = page.evaluate("axe.run().then(found => found.violations)")
        bad = [
            f"{violation['id']}: {violation['help']}: {violation['nodes'][0]['html'][:200]}"
            for violation in violations
            if violation["impact"] in ("serious", "critical")
        ]
        assert not bad, f"{path}: {bad}"
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (make setup-dev, where there is npm): accessibility was not tested")


@pytest.mark.parametrize("width", [360, 1180])
def test_names_fit_the_pages(shared: Server, visit: Any, jobix: int, width: int) -> None:
    api = make_list(shared, jobix, 0)
    files = [f"data/2026-11/field-{number:03d}/exposure-{number}.fits" for number in range(8)]
    api(
        "/set",
        [{"name": file, "jobcmd": {"file": file}} for file in files] + [{"name": "漢" * 200}, {"name": "ngc1234"}],
    )
    for job in api("/get/0?n=4", worker="node3:1").json()[:2]:
        api(f"/update_job/{job['jobid']}/2", {"filename": f"out/{job['jobid']}.npy"}, claim=job["claim"])
    page = visit(api, viewport={"width": width, "height": 900})
    for path in ("/get", "/job/0", "/job/8"):
        page.goto(f"{api.url}{path}?list={name_of(api)}")
        assert not page.evaluate(WIDER), f"{path} is wider than {width} px"
        save_screenshot(page, f"names-{path.strip('/').replace('/', '-')}-{width}", full_page=True)
    page.goto(f"{api.url}/get?list={name_of(api)}&q=ngc12")
    assert page.locator("#jobs-all td.cut").first.inner_text() == "ngc1234"


def test_times_and_boxes_of_a_table_are_complete_on_a_desktop(busy: ApiClient, visit: Any, shared: Server) -> None:
    with opened(shared) as database:
        shift = "datecommitted = datecommitted - 130000, renewed = renewed - 130000, deadline = deadline - 130000"
        database.run(f"UPDATE job SET {shift} WHERE jobstage = 1")
    page = visit(busy, viewport={"width": 1280, "height": 900})
    sign_in(page, busy)
    wait_until_true(page, "document.querySelector('#rows').innerText.match(/7 min \\d+ s left/)")
    cells = "[...document.querySelectorAll('.jobs td:not(.cut)')]"
    cut = page.evaluate(
        f"{cells}.filter(one => one.scrollWidth > one.clientWidth).map(one => one.className + one.innerText)"
    )
    assert cut == []


def test_an_open_page_follows_the_colour_scheme_of_the_system(busy: ApiClient, visit: Any) -> None:
    page = visit(busy)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) != light
    page.wait_for_selector("#chart .uplot")


def test_the_pages_can_be_used_with_the_keyboard_alone(busy: ApiClient, visit: Any) -> None:
    page = visit(busy)
    sign_in(page, busy)

    def tab_to(condition: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({condition!r})"):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
                return
        raise AssertionError(f"no way to {condition}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("[data-span=day]")
    page.keyboard.press("Enter")
    wait_until_true(page, "document.querySelector('[data-span=day]').getAttribute('aria-pressed') === 'true'")
    tab_to("[name=ask]")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('dialog').open")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "Pause"
    tab_to("[name=stage]")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    wait_until_true(page, "document.querySelectorAll('#jobs-all tbody tr').length === 8")
    tab_to("#rows tbody a")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1 >> text=Job")


def test_the_layout_does_not_move_while_numbers_change(api: ApiClient, visit: Any) -> None:
    page = visit(api)
    page.wait_for_selector("#chart .uplot, #chart p")
    places = (
        "JSON.stringify([...document.querySelectorAll('.hero dt, #bar, .two .card, #filter, #key')]"
        ".map(one => one.getBoundingClientRect()).map(box => [box.x, box.y]))"
    )
    do_jobs(api, 1)
    do_jobs(api, 1, stage=2)
    wait_for(page, "done", "1")
    before = page.evaluate(places)
    for done in (9, 20, 33, 58):
        do_jobs(api, 25)
        do_jobs(api, done - int(page.inner_text("[data-n=done]")), stage=2)
        wait_for(page, "done", str(done))
        assert page.evaluate(places) == before


def test_hostile_content_is_shown_as_text(api: ApiClient, visit: Any) -> None:
    messages = []
    api("/set", {"1000": {"jobcmd": HOSTILE, "priority": 9}, "1001": {"jobcmd": LONG, "priority": 8}})
    job = api("/get/0", worker="<i>node</i> &amp; {{7*7}}").json()
    page = visit(api, viewport={"width": 360, "height": 900})
    page.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
    wait_until_true(page, "document.querySelector('#rows').innerText.includes('<script>alert(2)</script>')")
    api(f"/update_job/{job['jobid']}/2", {"filename": HOSTILE, "result": HOSTILE}, claim=job["claim"])
    long = api("/get/0", worker="node9:1").json()
    api(f"/update_job/{long['jobid']}/0", {"error": HOSTILE}, claim=long["claim"])
    wait_for(page, "available", "62")
    page.wait_for_timeout(2500)
    assert page.locator("#rows img, #rows script, #rows i").count() == 0
    assert not page.evaluate(WIDER)
    for path in ("/job/1000", "/job/1001", "/workers"):
        page.goto(f"{api.url}{path}?list={name_of(api)}")
        assert page.locator("main img, main script, main i").count() == 0
        assert not page.evaluate(WIDER)
        save_screenshot(page, f"hostile-{path.strip('/').replace('/', '-')}")
    assert "<i>node</i> &amp; {{7*7}}" in page.inner_text("main")
    assert not messages
