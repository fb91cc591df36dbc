"""Servers in each async mode, and their open pages."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.live_page import NAME, Page
from tests.support.server import Asker, Server

MODES = ("eventlet", "gevent", "threading")


@pytest.fixture(params=MODES)
def live_server(request: pytest.FixtureRequest, new_server: Any) -> Server:
    """A server in each mode; on PostgreSQL if the parameter says so."""
    mode, _, kind = request.param.partition(" on ")
    uri = request.getfixturevalue("new_postgresql_database") if kind else ""
    server: Server = new_server(async_mode=mode, database_uri=uri)
    return server.start()


@pytest.fixture
def ask(live_server: Server, jobix: int) -> Asker:
    """A list with ten jobs."""
    ask = Asker(live_server.url, jobix)
    ask(f"/init/0/10?name={NAME}")
    ask("/set", {str(number): {} for number in range(10)})
    return ask


@pytest.fixture
def open_page(live_server: Server) -> Iterator[Callable[..., Page]]:
    """Opens pages, which are closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(**how: Any) -> Page:
            page = Page(live_server, **how)
            stack.callback(page.client.disconnect)
            return page

        yield make
        live_server.kill()  # otherwise each client waits seconds for its disconnection
