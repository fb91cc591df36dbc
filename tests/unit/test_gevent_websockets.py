"""The socket that gevent's server gives to simple_websocket."""

import gevent
from gevent import socket

from jobserver.server.gevent_server import WEBSOCKET_BYTES, WebSocketSocket

LARGE = b"x" * 5_000_000  # more than the buffers between the two sockets hold
WAIT_S = 20


def test_a_large_message_arrives_whole_at_a_slow_reader() -> None:
    server, page = socket.socketpair()
    with server, page, gevent.Timeout(WAIT_S):
        sender = gevent.spawn(WebSocketSocket(server, gevent.sleep).send, LARGE)
        received = 0
        while received < len(LARGE):
            gevent.sleep(0)
            received += len(page.recv(200_000))
        sender.get()
    assert received == len(LARGE)


def test_a_page_that_sends_without_a_pause_leaves_time_for_others() -> None:
    server, page = socket.socketpair()
    with server, page, gevent.Timeout(WAIT_S):
        page.sendall(b"x" * 3 * WEBSOCKET_BYTES)
        runs_of_other: list[None] = []
        other = gevent.spawn(lambda: [runs_of_other.append(gevent.sleep(0)) for _ in range(100)])
        sizes = [len(WebSocketSocket(server, gevent.sleep).recv(4096)) for _ in range(3)]
        assert runs_of_other  # the other one ran between the reads
        other.kill()
    assert sizes == [WEBSOCKET_BYTES] * 3
