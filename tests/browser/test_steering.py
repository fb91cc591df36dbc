"""Operator actions in a browser: filters, the back button, signing in, and each action."""

from typing import Any

import requests

from tests.browser.conftest import do_jobs, name_of, save_screenshot, sign_in, wait_for, wait_until_true
from tests.support.server import ApiClient, Server
from tests.support.snapshot import rows

FIRST = "#jobs-all tbody tr:first-child"
IN_ALL = "document.querySelectorAll('#jobs-all tbody tr').length"


def fail_all(api: ApiClient, jobs: int) -> None:
    """Makes this many jobs fail permanently in stage 1."""
    api("/lifetime/1/10?max_attempts=1")
    for job in api(f"/get/0?n={jobs}", worker="node1:1").json():
        api(f"/update_job/{job['jobid']}/0", {"error": "ValueError: no such file"}, claim=job["claim"])


def test_a_filter_is_in_the_url_and_the_back_button_undoes_it(api: ApiClient, visit: Any) -> None:
    do_jobs(api, 7)
    page = visit(api)
    page.evaluate("window.same = true")
    page.select_option("[name=state]", "available")
    page.fill("[name=stage]", "2")
    page.keyboard.press("Enter")
    wait_until_true(page, f"{IN_ALL} === 7")
    assert "state=available" in page.url
    assert "stage=2" in page.url
    page.fill("[name=q]", "set=3/")
    page.click("#filter button")
    wait_until_true(page, f"{IN_ALL} === 1")
    page.go_back()
    wait_until_true(page, f"{IN_ALL} === 7")
    assert page.input_value("[name=q]") == ""
    page.click("#unfiltered")
    wait_until_true(page, f"{IN_ALL} === 50")
    assert page.evaluate("window.same")
    other = visit(api, query="&state=available&stage=2&q=set%3D3/")
    assert other.locator("#jobs-all tbody tr").count() == 1
    assert other.input_value("[name=q]") == "set=3/"


def test_sorting_and_paging_do_not_reload_the_page(api: ApiClient, visit: Any) -> None:
    page = visit(api)
    page.evaluate("window.same = true")
    page.click("#rows th a:text-is('job')")
    wait_until_true(page, f"document.querySelector('{FIRST}').id === 'all-59'")
    page.click("text=Next 50")
    wait_until_true(page, f"document.querySelector('{FIRST}').id === 'all-9'")
    page.go_back()
    wait_until_true(page, f"document.querySelector('{FIRST}').id === 'all-59'")
    assert page.evaluate("window.same")


def test_an_invalid_filter_shows_an_error(api: ApiClient, visit: Any) -> None:
    page = visit(api)
    page.fill("[name=stage]", "many")
    page.keyboard.press("Enter")
    page.wait_for_selector("#complaint >> text=whole number")
    page.fill("[name=stage]", "0")
    page.keyboard.press("Enter")
    wait_until_true(page, f"{IN_ALL} === 50")


def test_a_wrong_key_does_not_sign_in(api: ApiClient, visit: Any) -> None:
    page = visit(api, "/signin", live=False)
    page.fill("[name=jobix]", str(api.jobix + 1))
    page.click("main button")
    assert "Wrong key" in page.inner_text("main")
    page.goto(f"{api.url}/get?list={name_of(api)}")
    assert page.locator("text=Pause").count() == 0


def test_pausing_needs_confirmation_and_can_be_undone(api: ApiClient, visit: Any) -> None:
    page = visit(api)
    sign_in(page, api)
    page.click("text=Pause")
    page.click("dialog >> text=Cancel")
    assert page.evaluate("document.activeElement.textContent") == "Pause"
    assert api("/get/0").json() != "nada"
    page.click("text=Pause")
    save_screenshot(page, "asking")
    page.click("dialog [value=yes]")
    page.wait_for_selector(".notice >> text=Paused")
    wait_until_true(page, "document.querySelector('#left').innerText.startsWith('paused')")
    assert api("/get/0").json() == "nada"
    page.click("button:text-is('Resume')")
    page.wait_for_selector(".notice >> text=Workers get jobs again")
    assert api("/get/0").json() != "nada"


def test_selected_or_all_failed_jobs_are_retried(api: ApiClient, visit: Any) -> None:
    fail_all(api, 5)
    page = visit(api)
    sign_in(page, api)
    page.check("[name=jobs][value^='1:']")
    do_jobs(api, 2)  # the tables are refreshed; the tick stays
    wait_until_true(page, "document.querySelector('#all-6 .of-stage').innerText.startsWith('2')")
    assert page.is_checked("[name=jobs][value^='1:']")
    save_screenshot(page, "chosen")
    page.click("text=Retry selected")
    page.click("dialog [value=yes]")
    page.wait_for_selector(".notice >> text=1 job was returned")
    wait_for(page, "failed", "4")
    page.click("text=Retry all 4")
    page.click("dialog [value=yes]")
    page.wait_for_selector(".notice >> text=4 jobs were returned")
    wait_for(page, "failed", "0")


def test_the_next_action_of_a_form_that_stays_asks_again(api: ApiClient, visit: Any) -> None:
    """An update may keep the form whose action was confirmed."""
    page = visit(api)
    sign_in(page, api)
    page.evaluate("""addEventListener('submit', event => {
        if (event.target.dataset.confirmed) event.preventDefault(); }, true)""")  # the page and its form stay
    for _ in range(2):
        page.click("button:has-text('Pause')")
        page.wait_for_selector("dialog[open]")
        page.click("dialog [value=yes]")
        page.wait_for_selector("dialog[open]", state="detached")
        wait_until_true(page, "!document.querySelector('[data-confirmed], [name=confirmed]')")


def test_actions_on_one_job_name_the_operator_in_its_history(shared: Server, api: ApiClient, visit: Any) -> None:
    api("/get/0", worker="node1:1")
    page = visit(api)
    sign_in(page, api)
    page.goto(f"{api.url}/job/0?list={name_of(api)}")
    page.click("button:text-is('Fail')")
    assert "loses it" in page.inner_text("dialog")
    page.click("dialog [value=yes]")
    page.wait_for_selector(".notice >> text=marked as failed")
    page.fill("[name=priority]", "7")
    page.click("text=Set priority")
    page.wait_for_selector(".notice >> text=priority 7")
    assert "Ada" in page.inner_text("main table")
    save_screenshot(page, "job", full_page=True)
    query = f"""SELECT priority, jobstage, overdue + 2 * (outcome <> 'none') FROM job
        JOIN job_list ON job_list.id = list_id WHERE jobid = 0 AND job_list.name = '{name_of(api)}'"""
    assert rows(shared, query) == [(7, 1, 2)]
    page.click("text=Retry")
    assert "Retry job 0?" in page.inner_text("dialog")
    page.click("dialog [value=yes]")
    page.wait_for_selector(".notice >> text=1 job was returned")
    assert rows(shared, query)[0][:2] == (7, 0)
    assert "requeued" in page.inner_text("main table tbody tr:first-child")
    assert page.query_selector("text=Retry") is None
    assert api("/get/0").json()["jobid"] == 0


def test_a_lifetime_can_be_set_and_a_proposal_accepted(api: ApiClient, visit: Any) -> None:
    do_jobs(api, 30)
    page = visit(api)
    sign_in(page, api)
    page.goto(f"{api.url}/lifetime?list={name_of(api)}")
    save_screenshot(page, "lifetimes", full_page=True)
    page.fill("[aria-label='Stage 3'] [name=minutes]", "2.5")
    page.click("[aria-label='Stage 3'] >> text=Set")
    page.wait_for_selector(".notice >> text=2.5 minutes")
    assert api("/lifetime/3").json()["minutes"] == 2.5
    page.click("text=/^Use /")
    page.wait_for_selector(".notice >> text=Lifetime of stage 1")
    assert api("/lifetime/1").json()["minutes"] < 10


def test_without_javascript_the_server_asks_for_confirmation(api: ApiClient, visit: Any) -> None:
    page = visit(api, live=False, java_script_enabled=False)
    page.goto(f"{api.url}/signin?list={name_of(api)}")
    page.fill("[name=jobix]", str(api.jobix))
    page.click("main button")
    page.click("text=Pause")
    assert "Running jobs will finish" in page.inner_text("h1")
    page.click("main button")
    assert "Paused" in page.inner_text(".notice")
    assert api("/get/0").json() == "nada"


def test_the_secret_key_is_not_on_pages_or_in_the_log(shared: Server, api: ApiClient, visit: Any) -> None:
    page = visit(api)
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    sign_in(page, api)
    job = api("/get/0", worker="node1:1").json()
    wait_for(page, "working", "1")
    texts = [page.content(), *frames, shared.log.read_text(), str(page.context.cookies())]
    for path in ("lifetime", "workers", "job/0", "rows", "live", "chart"):
        texts.append(requests.get(f"{api.url}/{path}?list={name_of(api)}", timeout=10).text)
    for text in texts:
        assert str(api.jobix) not in text
        assert job["claim"] not in text
    assert frames
