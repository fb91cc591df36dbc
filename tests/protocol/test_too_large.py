"""Too large bodies are refused with 413 at once, in bounded memory, while other requests are served."""

import gzip
import socket
import time

import pytest
import requests

from tests.support.large_bodies import MB, ROUTES, ZEROS, Memory, bomb, stream
from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient, Server


@pytest.fixture(scope="module")
def bounded(kind, request, tmp_path_factory):
    """A server with a limit of 64 MB for bodies."""
    uri = "" if kind == "sqlite" else make_postgresql_database(request.getfixturevalue("postgresql"))
    server = Server(tmp_path_factory.mktemp("bounded"), uri, max_body_mb="64").start()
    ApiClient(server.url, 1)("/set", {"1": {"jobstage": 1}})
    yield server
    server.kill()


def served(server):
    """Checks that the server responds and that job 1 is unchanged."""
    assert ApiClient(server.url, 1)("/get").json()["stages"]["1"]["jobs"] == 1


@pytest.mark.parametrize("wbits", [15, 31], ids=["zlib", "gzip"])
def test_a_zip_bomb_is_refused_in_bounded_memory(bounded, wbits):
    body = bomb(wbits)
    assert len(body) < 10 * MB
    with Memory(bounded) as memory:
        for path in ROUTES:
            _accepted_mb, response = stream(bounded, path, b"Content-Length: %d" % len(body), [body])
            assert response.startswith(b"HTTP/1.1 413 "), (path, response)
            assert b'"too_large"' in response
    assert memory.grown_mb < 100
    served(bounded)


@pytest.mark.parametrize("start", [b'{"1": {"jobcmd": "', b"[" * 100, b" " * 100], ids=["text", "deep", "spaces"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_of_1_gb_is_refused_in_bounded_memory(bounded, chunked, start):
    head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1000000000"
    filler = b" " * MB if start[:1] == b" " else ZEROS
    with Memory(bounded) as memory:
        for path in ROUTES[:2]:
            pieces = [start.ljust(MB, filler[:1]), *[filler] * 999]
            framed = ((b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece) for piece in pieces)
            accepted_mb, response = stream(bounded, path, head, framed)
            assert response.startswith(b"HTTP/1.1 413 "), (path, response)
            assert accepted_mb < 1000, "the whole body was read before the refusal"
    assert memory.grown_mb < 100
    served(bounded)


def test_others_are_served_while_a_large_body_trickles_in(bounded):
    with socket.create_connection(("127.0.0.1", bounded.port), timeout=30) as slow:
        slow.sendall(b"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: 1\r\nContent-Length: 60000000\r\n\r\n" + ZEROS)
        start_s = time.monotonic()
        for _ in range(20):
            served(bounded)
        assert time.monotonic() - start_s < 5


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_body_within_the_limit_is_accepted(bounded, packed):
    text = b"{%s}" % b",".join(b'"%d": {"jobcmd": "%s"}' % (i, b"x" * MB) for i in range(20))
    jobix = {"jobix": "2" if packed else "3"}
    body = gzip.compress(text, 1) if packed else text
    response = requests.post(bounded.url + "/set", data=body, headers=jobix, timeout=60)
    assert (response.status_code, response.json()["new"]) == (200, 20)
