"""The pages and their errors say what to do next."""

from collections.abc import Iterator

import pytest

from tests.pages.test_page_security import Browser, make_list, name_of
from tests.support.page import get_page
from tests.support.run_here import run_here
from tests.support.server import ApiClient, Server

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this file."""
    server = Server(tmp_path_factory.mktemp("hints")).start()
    yield server
    server.kill()


@pytest.fixture
def api(shared: Server, jobix: int) -> ApiClient:
    """Requests to a new list with one job."""
    return make_list(shared, jobix)


def test_a_list_with_only_failed_jobs_has_no_time_left(api: ApiClient) -> None:
    api("/lifetime/1/10?max_attempts=1")
    api("/set", {"2": {}})
    for job in api("/get/0?n=2").json():
        body = {"error": "it broke"} if job["jobid"] == 1 else None
        api(f"/update_job/{job['jobid']}/{0 if body else 2}", body, claim=job["claim"])
    page = get_page(f"{api.url}/get?list={name_of(api)}")
    (left,) = (element for element in page.all("dd") if element.attributes.get("id") == "left")
    assert left.text.strip() == "1 failed: retry them"
    working = page.all("ul", "key")[0].all("li", "work")[0]
    assert working.text == "1 working01 failed", "the legend must agree with the number of working jobs above"


def test_a_wrong_field_leads_back_to_its_form_with_the_reason(api: ApiClient) -> None:
    browser = Browser(api.url).sign_in(name_of(api), api.jobix)
    back = f"/lifetime?list={name_of(api)}"
    sent = browser.post("/act/lifetime", name_of(api), HTML, stage=1, minutes="abc", back=back)
    assert (sent.status_code, sent.headers["Location"]) == (303, back)
    page = browser.session.get(api.url + back, headers=HTML, timeout=9).text
    assert '<p class="notice bad" role="alert">A lifetime is a number of minutes' in page
    assert 'name="minutes"' in page
    as_program = browser.post("/act/lifetime", name_of(api), stage=1, minutes="abc", back=back)
    assert (as_program.status_code, as_program.json()["error"]) == (400, "bad_request")


def test_an_action_without_a_sign_in_links_to_the_sign_in(api: ApiClient) -> None:
    sent = Browser(api.url).post("/act/pause", name_of(api), HTML)
    assert sent.status_code == 403
    assert f'href="/signin?list={name_of(api)}"' in sent.text


def test_a_page_without_a_list_shows_the_lists(api: ApiClient, shared: Server) -> None:
    ApiClient(shared.url, api.jobix // 2)("/init/0/10")
    page = get_page(f"{api.url}/workers")
    assert f"/workers?list={name_of(api)}" in [link.attributes.get("href") for link in page.all("a")]
    sent = api.session.get(f"{api.url}/live", timeout=9)
    assert sent.status_code == 404
    assert sent.json()["message"] == "Name a list in the parameter list, as in /live?list=NAME. The lists are at /get."


def test_the_history_names_the_operator_of_a_cancel_request(api: ApiClient, shared: Server) -> None:
    api("/get/0", worker="node:1", claim="c" * 32)
    assert run_here(shared, "cancel", name_of(api), "1").returncode == 0
    page = get_page(f"{api.url}/job/1?list={name_of(api)}")
    newest = page.all("table")[0].table()[0]
    assert newest[3] == "cancel requested"
    assert newest[5] == "operator"


def test_one_word_for_the_lifetime(api: ApiClient) -> None:
    for path in ("get", "lifetime", "job/1"):
        text = get_page(f"{api.url}/{path}?list={name_of(api)}").text
        assert "lifetime" in text.lower()
        assert "time limit" not in text
        assert "timeout" not in text
