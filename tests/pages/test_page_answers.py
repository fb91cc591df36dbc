"""Responses: HTML or JSON, security headers, and no secret in a page or its cookie."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests

from tests.support.hostile import JOBIX, NAME, QUOTED, TOKEN, hostile_site
from tests.support.page import Page, get_page

SECRETS = (str(JOBIX), f"{JOBIX:x}", f"{JOBIX:,}", TOKEN)
LIST = f"list={QUOTED}"
PAGES = ("/get", f"/get?{LIST}", "/lifetime", f"/lifetime?{LIST}", f"/workers?{LIST}", f"/job/1?{LIST}")
MISSING = ("/get?list=nowhere", "/nowhere", f"/job/99?{LIST}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A server with hostile names and data."""
    new_site = hostile_site(tmp_path_factory.mktemp("answers"), "")
    yield new_site
    new_site.server.kill()


def guarded(response: requests.Response) -> None:
    """Checks that a response shows no secret and has the security headers for browsers and caches."""
    for secret in SECRETS:
        assert secret not in response.text
        assert secret not in str(response.headers)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] in ("no-referrer", "same-origin")
    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy.items() >= {"default-src": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'"}.items()
    assert not re.search(r"unsafe|\*|https?:|wss?:", str(policy))


@pytest.mark.parametrize("path", [*PAGES, *MISSING])
def test_no_page_shows_a_secret_or_permits_foreign_content(site: SimpleNamespace, path: str) -> None:
    page = get_page(site.url + path, 404 if path in MISSING else 200, jobix=str(JOBIX))
    guarded(page.response)
    assert "Set-Cookie" not in page.response.headers
    kinds = {"stylesheet": "text/css", "icon": "image/", "module": "text/javascript"}
    for element in page.all("link") + page.all("script"):
        file = requests.get(site.url + (element.attributes.get("href") or element.attributes["src"]), timeout=9)
        assert file.ok, element.attributes
        assert file.headers["Content-Type"].startswith(
            kinds[element.attributes.get("rel") or element.attributes.get("type", "module")]
        )
        if "node_modules" not in file.url:
            assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org)", file.text)


@pytest.mark.parametrize("path", [*PAGES, f"/signin?{LIST}", *MISSING])
def test_every_page_has_a_heading_and_a_link_home(site: SimpleNamespace, path: str) -> None:
    page = get_page(site.url + path, 404 if path in MISSING else 200)
    assert len(page.all("h1")) == 1
    assert page.all("header")[0].all("a")[0].attributes["href"] == "/get"
    if path in MISSING:
        assert "/get" in [link.attributes["href"] for link in page.all("main")[0].all("a")]


def test_a_wrong_key_shows_an_error_at_its_field_and_keeps_the_name(site: SimpleNamespace) -> None:
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    form = browser.get(f"{site.url}/signin?{LIST}&back=/workers", timeout=9)
    token = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
    assert token
    fields = {"csrf_token": token[1], "list": NAME, "jobix": "5", "name": "ada", "back": "/workers"}
    response = browser.post(f"{site.url}/signin", data=fields, timeout=9)
    assert response.status_code == 403
    assert "Wrong key." in response.text
    inputs = {element.attributes["name"]: element.attributes for element in Page(response).all("input")}
    assert (inputs["name"]["value"], inputs["back"]["value"]) == ("ada", "/workers")
    assert "value" not in inputs["jobix"]


def opened(cookie: str) -> bytes:
    """The content of a signed cookie, which anybody can read."""
    body = cookie.strip('"').lstrip(".").split(".")[0]
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    return zlib.decompress(raw) if cookie.strip('"').startswith(".") else raw


def test_the_session_cookie_holds_no_secret(site: SimpleNamespace) -> None:
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    form = browser.get(f"{site.url}/signin?{LIST}", timeout=9)
    token = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
    assert token
    fields = {"csrf_token": token[1], "list": NAME, "jobix": str(JOBIX), "name": "ada"}
    wrong = browser.post(f"{site.url}/signin", data=fields | {"jobix": str(JOBIX - 1)}, timeout=9)
    assert wrong.status_code == 403
    assert str(JOBIX - 1) not in wrong.text
    signed = browser.post(f"{site.url}/signin", data=fields, timeout=9)
    assert signed.status_code == 200
    assert "Signed in as ada." in signed.text
    for path in PAGES:
        page = browser.get(site.url + path, timeout=9)
        assert page.status_code == 200
        guarded(page)
    # it was sent at the same time as a form: a cookie in its response would overwrite the cookie of the form's response
    assert "Set-Cookie" not in browser.get(f"{site.url}/rows?{LIST}", timeout=9).headers
    cookie = browser.cookies["job_manager"]
    assert set(json.loads(opened(cookie))) == {"_permanent", "csrf_token", "id"}
    for secret in SECRETS:
        assert secret.encode() not in opened(cookie)
    cookies = browser.get(f"{site.url}/get?{LIST}", timeout=9).request.headers["Cookie"]
    assert requests.get(f"{site.url}/get?{LIST}", headers={"Cookie": cookies[:-2] + "xx"}, timeout=9).ok


@pytest.mark.parametrize("path", ["/get?list=", "/lifetime?list="])
def test_an_unknown_list_is_404_and_its_name_is_escaped(site: SimpleNamespace, path: str) -> None:
    for name in ("nowhere", "<script>alert(1)</script>", "x" * 5000, "", "\x00\u202e"):
        url = site.url + path + quote(name)
        page = get_page(url, 404)
        assert ("No list is named" if name else "Name a list") in page.text
        assert not page.all("script")
        assert len(page.response.content) < 5000
        plain = requests.get(url, timeout=9)
        assert (plain.status_code, plain.json()["error"]) == (404, "no_such_list")


def test_browsers_get_html_and_programs_get_json(site: SimpleNamespace) -> None:
    url, program, browser = site.url, {"jobix": str(JOBIX)}, {"Accept": "text/html"}
    for path, key in (("/get", "last_stage"), ("/lifetime", "1")):
        for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            assert key in requests.get(url + path, headers=program | accept, timeout=9).json()
            assert "<html" in requests.get(url + path, headers=accept, timeout=9).text  # no secret is needed
        assert get_page(url + path, jobix=str(JOBIX))
        assert get_page(url + path, jobix="no number")
        assert requests.head(url + path, timeout=9).headers["Content-Type"].startswith("text/html")
        assert requests.post(url + path, timeout=9).status_code == 405
    hello = requests.get(url, timeout=9)
    assert re.fullmatch(r"job_manager [\d.]+\n", hello.text)
    assert hello.headers["Content-Type"].startswith("text/plain")
    sent = requests.get(url, headers=browser, allow_redirects=False, timeout=9)
    assert (sent.status_code, sent.headers["Location"]) == (302, "/get")
    refused = get_page(url + "/get/0", 403)
    assert "jobix" in refused.text
    assert requests.get(url + "/get/0", timeout=9).json()["error"] == "jobix_missing"
