"""Pages that stay open through every fault, and their final numbers."""

import time
from typing import Any

import requests

from tests.faults.history.counting import pages_equal_the_database
from tests.faults.history.final import Final
from tests.faults.history.story import Story
from tests.support.live_page import Page, shown
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
        give_up = time.monotonic() + SUMMARY_WITHIN_S
        while True:
            shown_by = [(f"the open page at server {number}", _numbers(page)) for number, page in enumerate(self._open)]
            final.pages = shown_by
            if not list(pages_equal_the_database(Story(), final)) or time.monotonic() > give_up:
                break
            time.sleep(0.05)
        for number, server in enumerate(self._servers):
            answer = requests.get(f"{server.url}/live", params={"list": self._name}, timeout=20)
            shown_by.append((f"/live of server {number}", answer.json()))
        return shown_by

    def close(self) -> None:
        """Closes the pages."""
        for page in self._open:
            page.client.disconnect()


def _numbers(page: Page) -> dict[str, Any]:
    """The numbers that the page shows now."""
    summaries = page.events("summary")
    return shown(summaries[-1]) if summaries else {}
