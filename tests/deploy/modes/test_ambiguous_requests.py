"""Request heads that two servers could parse differently are refused, which prevents request smuggling."""

import socket

import pytest

from tests.conftest import Server
from tests.support.raw_requests import without_fault

PATHS = ["/get/0", "/set", "/heartbeat", "/"]
SMUGGLED = b"GET /init?name=smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: %d\r\n\r\n"
AMBIGUOUS = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5",
    "the same length twice": b"Content-Length: 0\r\nContent-Length: 0",
    "a length with a sign": b"Content-Length: +0",
    "a negative length": b"Content-Length: -1",
    "a length with an underscore": b"Content-Length: 0_0",
    "a list of lengths": b"Content-Length: 0, 0",
    "an empty length": b"Content-Length: ",
    "a space before the colon": b"Transfer-Encoding : chunked",
    "a space before a length's colon": b"Content-Length : 0",
    "a length and chunks": b"Content-Length: 0\r\nTransfer-Encoding: chunked",
    "two encodings": b"Transfer-Encoding: gzip, chunked",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "an unknown encoding": b"Transfer-Encoding: xchunked",
    "a folded line": b"X-Note: a\r\n Content-Length: 5",
    "a folded encoding": b"Transfer-Encoding:\r\n chunked",
    "no colon": b"Content-Length 5",
    "no name": b": 5\r\nContent-Length: 0",
    "a bare carriage return": b"X-Note: a\rContent-Length: 0",
    "a NUL": b"X-Note: a\x00b\r\nContent-Length: 0",
    "two hosts": b"Host: 127.0.0.1",
}


def responses(server: Server, raw: bytes) -> bytes:
    """Sends these bytes. Returns all data until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_an_ambiguous_head_is_400_and_closes_the_connection(shared, jobix, lines):
    log_start = shared.log.stat().st_size
    for path in PATHS:
        head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: %d\r\n%s\r\n\r\n" % (path.encode(), jobix, lines)
        received = responses(shared, head + SMUGGLED % jobix)
        assert received.startswith(b"HTTP/1.1 400 "), (path, received)
        assert received.count(b"HTTP/1.1 ") == 1, (path, received)
        assert b"Connection: close" in received
        assert b'{"error":"bad_request","message":"' in received
    without_fault(shared, log_start)


@pytest.mark.parametrize(
    "lines", [b"Content-Length: 2", b"content-length:2", b"Transfer-Encoding: Chunked", b"Content-Length:\t2 "]
)
def test_an_unambiguous_head_and_the_next_request_are_parsed(shared, mode, jobix, lines):
    body = b"2\r\n[]\r\n0\r\n\r\n" if b"hunked" in lines else b"[]"
    head = b"POST /heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: %d\r\n%s\r\n\r\n" % (jobix, lines)
    last = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    received = responses(shared, head + body + last)
    assert received.count(b"HTTP/1.1 200 ") == (
        1 if mode == "threading" else 2
    )  # threading: one request for each connection
    assert b'{"jobs":[]}' in received


@pytest.mark.parametrize("body", [b"+2\r\n[]\r\n", b"0x2\r\n[]\r\n", b"1\r\n[]\r\n", b"0_2\r\n[]\r\n", b"2\r\n[]x\r\n"])
@pytest.mark.parametrize("path", PATHS[1:])
def test_malformed_chunks_close_the_connection(shared, mode, jobix, path, body):
    head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: %d\r\nTransfer-Encoding: chunked\r\n\r\n"
    log_start = shared.log.stat().st_size
    received = responses(shared, head % (path.encode(), jobix) + body + b"0\r\n\r\n" + SMUGGLED % jobix)
    assert received.count(b"HTTP/1.1 ") <= 1, received
    if path != "/" and mode != "threading":  # "/" reads no body, and threading closes every connection
        assert received.startswith(b"HTTP/1.1 400 "), received
    without_fault(shared, log_start)
