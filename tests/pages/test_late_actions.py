"""A page that was opened earlier changes only the claim that it showed."""

import re
from collections.abc import Iterator

import pytest

from tests.pages.test_page_security import Browser, make_list, name_of
from tests.support.expire import expire
from tests.support.server import ApiClient, Server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this file."""
    server = Server(tmp_path_factory.mktemp("late")).start()
    yield server
    server.kill()


@pytest.fixture
def api(shared: Server, jobix: int) -> ApiClient:
    """Requests to a new list with one job, which fails after one attempt."""
    api = make_list(shared, jobix)
    api("/lifetime/1/60?max_attempts=1")
    return api


@pytest.fixture
def browser(api: ApiClient) -> Browser:
    """A browser that is signed in."""
    return Browser(api.url).sign_in(name_of(api), api.jobix)


def field(browser: Browser, api: ApiClient, path: str, verb: str) -> str:
    """The value of the field jobs in the form or checkbox that sends this action."""
    html = browser.session.get(f"{api.url}{path}", params={"list": name_of(api)}, timeout=9).text
    if verb == "selected":
        found = re.search(r'type="checkbox" name="jobs" value="([^"]*)"', html)
    else:
        (form,) = (form for form in re.findall(r"<form.*?</form>", html, re.DOTALL) if f"/act/{verb}" in form)
        found = re.search(r'name="jobs" value="([^"]*)"', form)
    assert found, html
    return found[1]


def claim_again(api: ApiClient, claim: str) -> str:
    """Ends a claim with an error, retries the job and claims it again; returns the new claim."""
    assert api("/update_job/1/0", {"error": "it broke"}, claim=claim).json()["failed"]
    assert api("/retry_jobs", {"jobs": [1]}).json()["jobs"] == 1
    job = api("/get/0").json()
    assert (job["jobid"], job["attempt"]) == (1, 1)  # the same stage and attempt as before
    return str(job["claim"])


def state(api: ApiClient, claim: str) -> str:
    """The state of a claim on the job."""
    return str(api("/heartbeat", [{"jobid": 1, "claim": claim}]).json()["jobs"][0]["state"])


@pytest.mark.parametrize("verb", ["cancel", "fail"])
def test_a_late_action_changes_no_later_claim(api: ApiClient, browser: Browser, verb: str) -> None:
    first = api("/get/0").json()["claim"]
    late = field(browser, api, "/job/1", verb)
    assert first not in late, "the token is a secret of the worker"
    second = claim_again(api, first)
    response = browser.post(f"/act/{verb}", name_of(api), jobs=late)
    assert response.status_code == 409
    assert "the claim that you chose has ended" in response.json()["message"]
    assert state(api, second) == "held"
    current = field(browser, api, "/job/1", verb)
    assert browser.post(f"/act/{verb}", name_of(api), jobs=current).status_code == 200
    assert state(api, second) == ("cancel" if verb == "cancel" else "lost")


def test_a_job_that_waited_is_not_cancelled_when_a_worker_has_claimed_it(api: ApiClient, browser: Browser) -> None:
    late = field(browser, api, "/job/1", "cancel")
    claim = api("/get/0").json()["claim"]
    response = browser.post("/act/cancel", name_of(api), jobs=late)
    assert (response.status_code, state(api, claim)) == (409, "held")
    assert "it is in stage 1 now, attempt 1" in response.json()["message"]


def test_a_selected_job_that_needed_attention_is_not_cancelled_in_its_next_claim(
    api: ApiClient, browser: Browser, shared: Server
) -> None:
    api("/lifetime/1/60?max_attempts=5")
    api("/get/0")
    expire(shared, api, 1)
    api("/check_stages")
    late = field(browser, api, "/get", "selected")
    assert api("/retry_jobs", {"jobs": [1]}).json()["jobs"] == 1
    second = api("/get/0").json()["claim"]
    assert browser.post("/act/cancel", name_of(api), jobs=late).status_code == 409
    assert state(api, second) == "held"


def test_a_wrong_claim_is_refused(api: ApiClient, browser: Browser) -> None:
    claim = api("/get/0").json()["claim"]
    for jobs in ("1:1:" + "0" * 20, "1:1:", f"1:1:{claim}", "1:1:2"):
        assert browser.post("/act/cancel", name_of(api), jobs=jobs).status_code == 409
    assert state(api, claim) == "held"


@pytest.mark.parametrize("verb", ["retry", "skip", "delete"])
def test_a_late_action_on_a_failed_job_changes_nothing_after_its_success(
    api: ApiClient, browser: Browser, verb: str
) -> None:
    second = claim_again(api, api("/get/0").json()["claim"])
    api("/update_job/1/0", {"error": "it broke"}, claim=second)
    late = field(browser, api, "/job/1", verb)
    api("/retry_jobs", {"jobs": [1]})
    api("/update_job/1/2", {"result": 1}, claim=api("/get/0").json()["claim"])
    before = api("/get").json()
    response = browser.post(f"/act/{verb}", name_of(api), jobs=late)
    assert (response.status_code, api("/get").json()) == (409, before)
    assert "Job 1 has changed" in response.json()["message"]
