"""Attacks on the pages: stolen and copied sessions, forms of other sites, redirects, large forms, clock jumps."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened


class Browser:
    """A browser at one server: a cookie jar, and the token of its forms."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def token(self, name: str) -> str:
        """The form token of the sign-in page of a list."""
        page = self.session.get(f"{self.url}/signin", params={"list": name}, timeout=9).text
        match = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert match
        return match[1]

    def post(
        self, path: str, list_name: str, headers: dict[str, str] | None = None, **fields: object
    ) -> requests.Response:
        """Posts a form of that list, with its token."""
        data = {"list": list_name, "csrf_token": self.token(list_name)} | fields
        return self.session.post(self.url + path, data=data, headers=headers, timeout=9, allow_redirects=False)

    def sign_in(self, name: str, jobix: int) -> "Browser":
        """Signs in as ada."""
        assert self.post("/signin", name, jobix=jobix, name="ada").status_code == 303
        return self


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do not need their own."""
    server = Server(tmp_path_factory.mktemp("security")).start()
    yield server
    server.kill()


@pytest.fixture
def api(shared: Server, jobix: int) -> ApiClient:
    """Requests to a new list with one job."""
    return make_list(shared, jobix)


def make_list(server: Server, jobix: int, name: str = "") -> ApiClient:
    """Makes a list with one job."""
    api = ApiClient(server.url, jobix)
    api(f"/init/0/10?name={name or name_of(api)}")
    api("/set", {"1": {}})
    return api


def name_of(api: ApiClient) -> str:
    """The name of the list that make_list() makes."""
    return f"list-of-{api.jobix % 10**8}"


def error(response: requests.Response) -> tuple[int, str]:
    """The status and code of an error."""
    return response.status_code, response.json()["error"]


def test_a_session_keeps_its_list_when_lists_swap_names(shared: Server, api: ApiClient) -> None:
    name = name_of(api)
    browser = Browser(shared.url).sign_in(name, api.jobix)
    api(f"/init?name={name}-renamed")
    make_list(shared, api.jobix + 1, name)
    assert error(browser.post("/act/pause", name)) == (403, "not_signed_in")
    assert ApiClient(shared.url, api.jobix + 1)("/get/0").json() != "nada"
    assert browser.post("/act/pause", f"{name}-renamed").status_code == 200


def test_a_copied_cookie_is_worthless_after_sign_out(shared: Server, api: ApiClient) -> None:
    name = name_of(api)
    browser = Browser(shared.url).sign_in(name, api.jobix)
    copied_session = Browser(shared.url)
    copied_session.session.cookies.update(browser.session.cookies)
    assert copied_session.post("/act/resume", name).status_code == 200
    assert browser.post("/signout", name).status_code == 303
    assert error(copied_session.post("/act/pause", name)) == (403, "not_signed_in")


def test_a_second_sign_in_keeps_the_first_right_and_ends_the_old_cookie(shared: Server, api: ApiClient) -> None:
    other = make_list(shared, api.jobix + 1)
    browser = Browser(shared.url).sign_in(name_of(api), api.jobix)
    old = Browser(shared.url)
    old.session.cookies.update(browser.session.cookies)
    browser.sign_in(name_of(other), other.jobix)
    for each in (api, other):
        assert browser.post("/act/resume", name_of(each)).status_code == 200
    assert error(old.post("/act/resume", name_of(api))) == (403, "not_signed_in")


def test_a_session_ends_after_a_week(shared: Server, api: ApiClient) -> None:
    browser = Browser(shared.url).sign_in(name_of(api), api.jobix)
    with opened(shared) as database:
        expires = database.rows("SELECT MAX(expires) FROM page_session")[0][0]
        assert expires == pytest.approx((time.time() + 7 * 86_400) * 1000, abs=60_000)
        database.run("UPDATE page_session SET expires = ?", round(time.time() * 1000))
    assert error(browser.post("/act/resume", name_of(api))) == (403, "not_signed_in")
    browser.sign_in(name_of(api), api.jobix)
    with opened(shared) as database:
        assert database.rows("SELECT COUNT(*) FROM page_session") == [(1,)]


def test_the_cookie_is_http_only_and_secure_behind_a_tls_proxy(new_server: Any, jobix: int) -> None:
    for proxies, secure in (("0", False), ("1", True)):
        api = make_list(new_server(proxies=proxies).start(), jobix)
        form = f"{api.url}/signin?list={name_of(api)}"
        cookie = requests.get(form, headers={"X-Forwarded-Proto": "https"}, timeout=9).headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert ("Secure" in cookie) is secure
        assert "Secure" not in requests.get(form, timeout=9).headers["Set-Cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_form_of_another_site_is_refused_even_with_a_token(
    shared: Server, api: ApiClient, headers: dict[str, str]
) -> None:
    browser = Browser(shared.url).sign_in(name_of(api), api.jobix)
    for path in ("/act/pause", "/signout", "/signin"):
        assert error(browser.post(path, name_of(api), headers, jobix=api.jobix)) == (403, "csrf_mismatch")
    assert api("/get/0").json() != "nada"
    assert browser.post("/act/pause", name_of(api), {"Origin": shared.url}).status_code == 200


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_form_without_its_token_is_refused(shared: Server, api: ApiClient, token: str) -> None:
    browser = Browser(shared.url).sign_in(name_of(api), api.jobix)
    for path in ("/act/pause", "/signout", "/signin"):
        refused = browser.post(path, name_of(api), jobix=api.jobix, csrf_token=token)
        assert error(refused) == (403, "csrf_mismatch")
    assert api("/get/0").json() != "nada"


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "/\t/evil.example", "/\\evil.example", "/\r\nX: y", "https://evil.example", "\x00/", "/\u2028"],
    ids=ascii,
)
def test_a_form_returns_to_a_page_of_this_server_only(shared: Server, api: ApiClient, back: str) -> None:
    browser = Browser(shared.url).sign_in(name_of(api), api.jobix)
    html = {"Accept": "text/html"}
    for path in ("/act/resume", "/signin"):
        sent = browser.post(path, name_of(api), html, back=back, jobix=api.jobix)
        assert (sent.status_code, sent.headers["Location"]) == (303, f"/get?list={name_of(api)}")
        target = browser.post(path, name_of(api), html, back="/job/1?list=a&b=//c", jobix=api.jobix)
        assert target.headers["Location"] == "/job/1?list=a&b=//c"


@pytest.mark.parametrize("open_", ["1", "0"], ids=["open", "closed"])
def test_a_large_form_is_refused_before_it_is_read(new_server: Any, open_: str) -> None:
    server = new_server(open=open_).start()
    fields = {"plain": (b"a=&" * 30_000, "application/x-www-form-urlencoded")}
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    fields["parts"] = (part * 1200 + b"--x--\r\n", "multipart/form-data; boundary=x")
    for path in ("/signin", "/act/pause", "/signout"):
        for body, kind in fields.values():
            for data in (body, iter([body])):  # the second is chunked, without a length
                refused = requests.post(server.url + path, data=data, headers={"Content-Type": kind}, timeout=9)
                assert error(refused) in ((413, "too_large"), (403, "csrf_mismatch")), path
                assert refused.status_code == 413 or data is not body


def test_every_response_forbids_content_type_sniffing(shared: Server, api: ApiClient) -> None:
    name = name_of(api)
    for path in ("/", f"/get?list={name}", f"/live?list={name}", f"/rows?list={name}", f"/chart?list={name}",
                 "/static/page.css", "/nowhere", "/get/0"):  # fmt: skip
        response = requests.get(shared.url + path, timeout=9)
        assert response.headers["X-Content-Type-Options"] == "nosniff", path


def test_scripts_may_connect_to_this_server_only(shared: Server, api: ApiClient) -> None:
    policy = requests.get(f"{shared.url}/get?list={name_of(api)}", timeout=9).headers["Content-Security-Policy"]
    assert "connect-src 'self';" in policy


def test_the_chart_survives_jumps_of_the_clock(shared: Server, api: ApiClient) -> None:
    api("/update_job/1/2", claim=api("/get/0").json()["claim"])
    year_ms = 365 * 86_400_000
    with opened(shared) as database:
        list_id = database.rows("SELECT id FROM job_list WHERE name = ?", name_of(api))[0][0]
        for start in (-200 * year_ms, 0, 5000, round(time.time() * 1000) + 3_600_000, 9000 * year_ms):
            database.run("INSERT INTO throughput VALUES (?, 1, 10, ?, 1000, 0)", list_id, start)
    for span in ("15min", "hour", "day", "all"):
        chart = requests.get(f"{shared.url}/chart?list={name_of(api)}&span={span}", timeout=9)
        assert chart.status_code == 200, span
        assert len(chart.json()["starts"]) < 1000
    assert requests.get(f"{shared.url}/get?list={name_of(api)}", timeout=9).status_code == 200


def test_many_stages_do_not_make_a_page_slow_or_large(shared: Server, api: ApiClient) -> None:
    many = {str(2 + stage): {"jobstage": 20 * stage} for stage in range(990)}  # a list has 1,000 at most
    assert api("/set", many).status_code == 200
    for path in ("get", "rows", "live", "lifetime"):
        start_s = time.monotonic()
        response = requests.get(f"{shared.url}/{path}?list={name_of(api)}", timeout=60)
        assert response.status_code == 200
        assert time.monotonic() - start_s < 2, path
        if path != "live":
            assert len(response.content) < 600_000, path
