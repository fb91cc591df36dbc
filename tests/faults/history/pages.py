"""Pages that are open all the time, through every fault; and what they say in the end."""

import time
from typing import Any

import requests

from tests.faults.history.counting import pages_say_what_the_database_holds
from tests.faults.history.final import Final
from tests.faults.history.story import Story
from tests.support.live_page import Page, shown
from tests.support.server import Server

TOLD_S = 8  # a page is told twice a second; after a restart it has to come back first


class Pages:
    """One at each server."""

    def __init__(self, servers: list[Any], name: str) -> None:
        self._servers: list[Server] = servers
        self._name = name
        self._open = [Page(server, name=name) for server in servers]

    def last(self, final: Final) -> list[tuple[str, dict[str, Any]]]:
        """Who says what. An open page may need a moment until it is told."""
        give_up = time.monotonic() + TOLD_S
        while True:
            told = [(f"the open page at server {number}", _numbers(page)) for number, page in enumerate(self._open)]
            final.pages = told
            if not list(pages_say_what_the_database_holds(Story(), final)) or time.monotonic() > give_up:
                break
            time.sleep(0.05)
        for number, server in enumerate(self._servers):
            answer = requests.get(f"{server.url}/live", params={"list": self._name}, timeout=20)
            told.append((f"/live of server {number}", answer.json()))
        return told

    def close(self) -> None:
        """Closes them."""
        for page in self._open:
            page.client.disconnect()


def _numbers(page: Page) -> dict[str, Any]:
    """What the page shows now."""
    told = page.events("summary")
    return shown(told[-1]) if told else {}
