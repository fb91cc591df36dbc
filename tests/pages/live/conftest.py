"""Servers in each async mode, and open pages of them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.live_page import NAME, Page
from tests.support.server import Asker, Server

MODES = ("eventlet", "gevent", "threading")


@pytest.fixture(params=MODES)
def told_server(request: pytest.FixtureRequest, new_server: Any) -> Server:
    """A server in each mode; on PostgreSQL if the parameter says so."""
    mode, _, kind = request.param.partition(" on ")
    uri = request.getfixturevalue("new_postgresql_database") if kind else ""
    server: Server = new_server(async_mode=mode, database_uri=uri)
    return server.start()


@pytest.fixture
def ask(told_server: Server, jobix: int) -> Asker:
    """A list with ten jobs."""
    ask = Asker(told_server.url, jobix)
    ask(f"/init/0/10?name={NAME}")
    ask("/set", {str(number): {} for number in range(10)})
    return ask


@pytest.fixture
def open_page(told_server: Server) -> Iterator[Callable[..., Page]]:
    """Opens pages, that close with the test."""
    with contextlib.ExitStack() as stack:

        def make(**how: Any) -> Page:
            page = Page(told_server, **how)
            stack.callback(page.client.disconnect)
            return page

        yield make
        told_server.kill()  # else a client waits for seconds for its disconnection
