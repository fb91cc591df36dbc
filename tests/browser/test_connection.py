"""The connection breaks and returns: the page shows it, and is correct again without a reload."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import do_jobs, make_list, name_of, save_screenshot, wait_for, wait_until_true
from tests.support.server import Server


@pytest.fixture
def shared(new_server: Any) -> Iterator[Server]:
    """A separate server for each test, because the tests stop it."""
    return new_server().start()


def test_the_page_shows_a_lost_connection_and_reconnects(shared: Server, jobix: int, visit: Any) -> None:
    api = make_list(shared, jobix)
    page = visit(api)
    page.evaluate("window.same = true")
    shared.kill()
    page.wait_for_selector("#status.lost", timeout=15_000)
    save_screenshot(page, "lost")
    shared.start()
    api.session.close()
    do_jobs(api, 15)
    do_jobs(api, 15, stage=2)
    page.wait_for_selector("#status.live", timeout=30_000)
    wait_for(page, "done", "15")
    wait_until_true(page, "document.querySelector('#jobs-all .of-stage').innerText === '4 done'")
    assert page.evaluate("window.same")


def test_the_page_polls_where_websockets_are_blocked(shared: Server, jobix: int, visit: Any) -> None:
    api = make_list(shared, jobix)
    page = visit(api, live=False)
    page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    page.reload()
    page.wait_for_selector("#status.polling")
    saved = []
    page.on("response", lambda response: saved.append(response.status) if "/summary" in response.url else None)
    do_jobs(api, 6)
    do_jobs(api, 6, stage=2)
    wait_for(page, "done", "6")
    wait_until_true(page, "document.querySelectorAll('#rows .of-stage')[0].innerText === '4 done'")
    assert 200 in saved
    save_screenshot(page, "polling")


def test_a_page_without_socket_io_polls_and_shows_why(shared: Server, jobix: int, visit: Any) -> None:
    api = make_list(shared, jobix)
    page = visit(api, live=False)
    page.route("**/socket.io-client/**", lambda route: route.abort())
    page.reload()
    page.wait_for_selector("#status.polling")
    assert "make setup" in page.get_attribute("#status", "title")
    do_jobs(api, 3)
    wait_for(page, "available", "60")


def test_a_page_without_htmx_reloads_itself(shared: Server, jobix: int, visit: Any) -> None:
    api = make_list(shared, jobix)
    page = visit(api, live=False, java_script_enabled=False)
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    assert page.inner_text("[data-n=available]") == "60"


def test_socket_io_and_polling_show_the_same_numbers(shared: Server, jobix: int, visit: Any) -> None:
    api = make_list(shared, jobix)
    do_jobs(api, 5)
    api("/get/0?n=3")
    page, other = visit(api), visit(api, live=False)
    other.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    other.reload()
    other.wait_for_selector("#status.polling")
    texts = "[...document.querySelectorAll('[data-n], #key li, #bar title')].map(one => one.textContent)"
    wait_for(page, "working", "3")
    wait_for(other, "working", "3")
    assert page.evaluate(texts) == other.evaluate(texts)
    assert api(f"/live?list={name_of(api)}").json()["working"] == 3
