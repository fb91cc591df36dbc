"""Pages that stay open through every fault, and their final numbers."""

import time
from typing import Any

import requests

from tests.faults.history.counting import pages_equal_the_database
from tests.faults.history.final import Final
from tests.faults.history.request_log import RequestLog
from tests.support.live_page import Page, numbers_of
from tests.support.server import Server

SUMMARY_WITHIN_S = 8  # a page gets two summaries a second; after a restart it must reconnect first


class Pages:
    """One open page at each server."""

    def __init__(self, servers: list[Any], name: str) -> None:
        self._servers: list[Server] = servers
        self._name = name
        self._open = [Page(server, name=name) for server in servers]

    def last(self, final: Final) -> list[tuple[str, dict[str, Any]]]:
        """Returns each page's name and numbers. Waits until the open pages agree with the database."""
        give_up_at = time.monotonic() + SUMMARY_WITHIN_S
        while True:
            numbers_by_page = [
                (f"the open page at server {number}", _numbers(page)) for number, page in enumerate(self._open)
            ]
            final.pages = numbers_by_page
            if not list(pages_equal_the_database(RequestLog(), final)) or time.monotonic() > give_up_at:
                break
            time.sleep(0.05)
        for number, server in enumerate(self._servers):
            response = requests.get(f"{server.url}/live", params={"list": self._name}, timeout=20)
            numbers_by_page.append((f"/live of server {number}", response.json()))
        return numbers_by_page

    def close(self) -> None:
        """Closes the pages."""
        for page in self._open:
            page.client.disconnect()


def _numbers(page: Page) -> dict[str, Any]:
    """The numbers that the page shows now."""
    summaries = page.events("summary")
    return numbers_of(summaries[-1]) if summaries else {}
