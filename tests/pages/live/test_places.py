"""One visitor cannot take all places for open pages."""

import socket
from contextlib import ExitStack, closing

import websocket

from jobserver.feed.live import MAX_PAGES_OF_ADDRESS
from tests.support.server import Server


def opened(server: Server, source: str) -> tuple[websocket.WebSocket, bool]:
    """Opens a page's connection from that loopback address. Returns it, and whether the server accepted it."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=20, source_address=(source, 0))
    url = f"ws://127.0.0.1:{server.port}/socket.io/?EIO=4&transport=websocket"
    connection = websocket.create_connection(url, socket=plain, timeout=20)
    connection.recv()  # the parameters of Engine.IO
    connection.send("40")  # connect to the default namespace
    return connection, connection.recv().startswith("40")


def test_pages_of_one_address_leave_places_for_others(new_server) -> None:
    server = new_server().start()
    with ExitStack() as stack:
        accepted = []
        for _ in range(MAX_PAGES_OF_ADDRESS + 1):
            connection, here = opened(server, "127.0.0.1")
            stack.enter_context(closing(connection))
            accepted.append(here)
        assert accepted == [True] * MAX_PAGES_OF_ADDRESS + [False]
        connection, elsewhere = opened(server, "127.0.0.2")
        stack.enter_context(closing(connection))
        assert elsewhere
