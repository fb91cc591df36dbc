"""Servers in each async mode, and their open pages."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.live_page import NAME, Page
from tests.support.server import ApiClient, Server

MODES = ("eventlet", "gevent", "threading")


@pytest.fixture(params=MODES)
def live_server(request: pytest.FixtureRequest, new_server: Any) -> Server:
    """A server in each mode; on PostgreSQL if the parameter says so."""
    mode, _, kind = request.param.partition(" on ")
    uri = request.getfixturevalue("new_postgresql_database") if kind else ""
    server: Server = new_server(async_mode=mode, database_uri=uri)
    return server.start()


@pytest.fixture
def api(live_server: Server, jobix: int) -> ApiClient:
    """A list with ten jobs."""
    api = ApiClient(live_server.url, jobix)
    api(f"/init/0/10?name={NAME}")
    api("/set", {str(number): {} for number in range(10)})
    return api


@pytest.fixture
def open_page(live_server: Server) -> Iterator[Callable[..., Page]]:
    """Opens pages, which are closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Page:
            page = Page(live_server, **options)
            stack.callback(page.client.disconnect)
            return page

        yield make
        live_server.kill()  # otherwise each client waits seconds for its disconnection
