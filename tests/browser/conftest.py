"""A real browser on a real server. Without a browser the tests are skipped, with a reason."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.server import ApiClient, Server

try:
    from playwright.sync_api import Browser, Page, sync_playwright
except ImportError:
    sync_playwright = None

NAME = "gaia"
ARTEFACTS = ROOT / "tests/artefacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIBRARY = ROOT / "static/node_modules/socket.io-client"
AXE = ROOT / "tests/browser/node_modules/axe-core/axe.min.js"
WORDS = ("Content Security Policy", "Uncaught", "SyntaxError")


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The system's Chromium."""
    if sync_playwright is None:
        pytest.skip("browser tests skipped: playwright is not installed (pip install playwright)")
    if CHROMIUM is None:
        pytest.skip("browser tests skipped: no chromium on PATH (on Debian, apt install chromium)")
    if not LIBRARY.is_dir():
        pytest.skip("browser tests skipped: socket.io-client is not installed (make setup, where there is npm)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a file that do not stop it."""
    server = Server(tmp_path_factory.mktemp("pages")).start()
    yield server
    server.kill()


@pytest.fixture
def api(shared: Server, jobix: int) -> ApiClient:
    """Requests to a new list of stages 0 to 4 with 60 jobs; its name is `name_of(api)`."""
    return make_list(shared, jobix)


def name_of(api: ApiClient) -> str:
    """The public name of the list that make_list() made."""
    return f"{NAME}-{api.jobix % 10_000_000}"


def make_list(server: Server, jobix: int, jobs: int = 60) -> ApiClient:
    """Makes a list of stages 0 to 4 with jobs."""
    api = ApiClient(server.url, jobix)
    api(f"/init/0/10/0/10?name={name_of(api)}")
    if jobs:
        api("/set", {str(number): {"jobcmd": {"file": f"set={number}/Iloc.npy"}} for number in range(jobs)})
    return api


def do_jobs(api: ApiClient, jobs: int, stage: int = 0, worker: str = "node1:1") -> None:
    """Claims and completes jobs of a stage."""
    for job in api(f"/get/{stage}?n={jobs}", worker=worker).json():
        api(f"/update_job/{job['jobid']}/{stage + 2}", {"filename": f"out/{job['jobid']}.npy"}, claim=job["claim"])


@pytest.fixture
def visit(browser: "Browser", shared: Server) -> Iterator[Callable[..., "Page"]]:
    """Opens pages of a list. An error in the console of a page fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(api: ApiClient, path: str = "/get", query: str = "", live: bool = True, **options: Any) -> "Page":
        context = browser.new_context(**{"viewport": {"width": 1180, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if any(w in message.text for w in WORDS) else None,
        )
        page.goto(f"{api.url}{path}?list={name_of(api)}{query}")
        if live:
            page.wait_for_selector("#status.live")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def sign_in(page: "Page", api: ApiClient, name: str = "Ada") -> None:
    """Signs in; the progress page is open afterwards."""
    page.goto(f"{api.url}/signin?list={name_of(api)}")
    page.fill("[name=jobix]", str(api.jobix))
    page.fill("[name=name]", name)
    page.click("text=Sign in >> nth=-1")
    page.wait_for_selector("#status.live")


def save_screenshot(page: "Page", name: str, full_page: bool = False) -> None:
    """Saves a screenshot with the artefacts."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=full_page)


def number_on_page(page: "Page", name: str) -> str:
    """Returns a number that the page shows."""
    return page.inner_text(f'[data-n="{name}"]')


def wait_until_true(page: "Page", expression: str, within_s: float = 10) -> None:
    """Waits until the expression is true. (Playwright's wait_for_function needs eval, which the page forbids.)"""
    give_up_at = time.monotonic() + within_s
    while not page.evaluate(expression):
        assert time.monotonic() < give_up_at, f"not within {within_s} s: {expression}"
        page.wait_for_timeout(50)


def wait_for(page: "Page", name: str, text: str) -> None:
    """Waits until a number on the page has this text."""
    wait_until_true(page, f"document.querySelector('[data-n={name}]').textContent === '{text}'")


__all__ = [
    "ARTEFACTS",
    "AXE",
    "Path",
    "do_jobs",
    "make_list",
    "name_of",
    "number_on_page",
    "save_screenshot",
    "sign_in",
    "wait_for",
    "wait_until_true",
]
