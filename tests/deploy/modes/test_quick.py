"""The quick way to read requests gives the application what eventlet's own gives, and leaves it what is its own."""

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, parse_headers
from typing import Any

import psutil
import pytest
from jobserver.incoming import HEAD

from tests.conftest import ROOT
from tests.support.echo import SHORT
from tests.support.patience import until

HOST, UNUSUAL = b"Host: a\r\n", b"x_y: 1\r\n"  # the second is eventlet's own: it leaves such a header out
QUICK = {
    "no body": b"GET /get/0?n=2&wait=%20%C3%A9 HTTP/1.1\r\n" + HOST,
    "a token, and a worker's name": b"GET /get/0/1 HTTP/1.1\r\n" + HOST + b"claim:  a \r\nworker: \xf6\r\nEmpty:\r\n",
    "no question": b"GET /get/0? HTTP/1.1\r\n" + HOST + b"Cookie: a=1; b=2\r\n",
    "a length said by the application": b"GET /get/0 HTTP/1.1\r\n" + HOST + b"length: 1\r\n",
    "closing": b"GET /get/0 HTTP/1.1\r\n" + HOST + b"Connection: Close\r\n",
    "staying": b"GET /get/0 HTTP/1.1\r\n" + HOST + b"Connection: keep-alive\r\n",
    "ended by the application": b"GET /get/0 HTTP/1.1\r\n" + HOST + b"end: 1\r\n",
    "ended by both": b"GET /get/0 HTTP/1.1\r\n" + HOST + b"end: 1\r\nConnection: close\r\n",
    "body": b"POST /heartbeat HTTP/1.1\r\n" + HOST + b"Content-Type: a/b\r\nContent-Length: 7\r\n\r\nab\r\n\r\nc",
    "empty body": b"POST /heartbeat HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n",
    "the largest body": b"POST /heartbeat HTTP/1.1\r\n" + HOST + b"Content-Length: 65536\r\n\r\n" + b"x" * 65536,
}  # fmt: skip
OWN = {
    "another path": b"GET /other HTTP/1.1\r\n",
    "no path": b"GET /get* HTTP/1.1\r\n",
    "quoted path": b"GET /get/%30 HTTP/1.1\r\n",
    "another method": b"PUT /get/0 HTTP/1.1\r\nContent-Length: 1\r\n\r\na",
    "older": b"GET /get/0 HTTP/1.0\r\nConnection: keep-alive\r\n",
    "header twice": b"GET /get/0 HTTP/1.1\r\nclaim: a\r\nClaim: b\r\n",
    "underscore": b"GET /get/0 HTTP/1.1\r\ncontent_length: 5\r\n",
    "chunked": b"POST /heartbeat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "continued": b"GET /get/0 HTTP/1.1\r\nclaim: a\r\n b\r\n",
    "large body": b"POST /heartbeat HTTP/1.1\r\nContent-Length: 65537\r\n\r\n" + b"x" * 65537,
    "long head": b"GET /get/0 HTTP/1.1\r\n" + b"".join(b"a%d: %s\r\n" % (n, b"x" * 1000) for n in range(9)),
    "length with a sign": b"POST /heartbeat HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
    "length with zeros": b"POST /heartbeat HTTP/1.1\r\nContent-Length: 00000000001\r\n\r\na",
}


@contextmanager
def echo(*most: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """eventlet's server, with its quick way, which answers what it was given; its process and port."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.support.echo", *most],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        try:
            yield process, int(process.stdout.readline())
            process.terminate()
            assert process.wait(10) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where it listens."""
    with echo() as (_process, port):
        yield port


@pytest.fixture
def line(port: int) -> Iterator[socket.socket]:
    """A connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as made:
        yield made


def whole(raw: bytes) -> bytes:
    """A request, whose head may lack its end."""
    return raw if b"\r\n\r\n" in raw else raw + b"\r\n"


def answer(line: socket.socket) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """The headers that it was answered with, and what the application was given."""
    file: Any = line.makefile("rb", buffering=0)  # it reads no more than it is asked for
    assert file.readline() == b"HTTP/1.1 200 OK\r\n"
    headers = parse_headers(file)
    left, body = int(headers["Content-Length"]), b""
    while len(body) < left:
        body += file.read(left - len(body))
    return [one for one in headers.items() if one[0] not in ("Date", "Content-Length")], json.loads(body)


def ended(line: socket.socket) -> bool:
    """Whether the other end closes the connection without another word."""
    line.sendall(b"GET /get/0 HTTP/1.1\r\n\r\n")
    try:
        return line.recv(1) == b""
    except ConnectionResetError:
        return True


def end_by_reset(line: socket.socket) -> None:
    """Has the connection end so when it is closed."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("raw", QUICK.values(), ids=QUICK.keys())
def test_the_quick_way_gives_and_answers_what_eventlets_own_does(port: int, raw: bytes) -> None:
    seen = []
    for request in (whole(raw), whole(raw).replace(HOST, HOST + UNUSUAL)):
        with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as line:
            line.sendall(request)
            seen.append((*answer(line), ended(line)))
    (headers, given, ends), (own_headers, own_given, own_ends) = seen
    assert (given.pop("quick"), own_given.pop("quick")) == (True, False)
    assert own_given.pop("SERVER_PROTOCOL") == "HTTP/1.0"  # whatever was asked; nobody looks at it
    assert given.pop("SERVER_PROTOCOL") == "HTTP/1.1"
    assert given.pop("QUERY_STRING") == own_given.pop("QUERY_STRING", "")
    assert given == own_given
    if "HTTP_END" in given:
        assert ends  # eventlet's own says so, and doesn't
        assert ("Connection", "close") in headers
    else:
        assert (headers, ends) == (own_headers, own_ends)


@pytest.mark.parametrize("raw", OWN.values(), ids=OWN.keys())
def test_what_is_unusual_is_left_to_eventlet_and_the_next_is_quick_again(line: socket.socket, raw: bytes) -> None:
    line.sendall(whole(raw))
    _, given = answer(line)
    assert not given["quick"]
    for _ in range(2):
        line.sendall(whole(QUICK["body"]))
        _, given = answer(line)
        assert given["quick"]
        assert given["body"] == "ab\r\n\r\nc"


@pytest.mark.parametrize("length", [b"-1", b"a", b"1 1", b"\xb2"])
def test_a_length_that_is_none_is_refused(line: socket.socket, length: bytes) -> None:
    line.sendall(b"POST /heartbeat HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n")
    assert line.recv(100).split()[1] == b"400"


def test_requests_that_come_in_one_piece_are_all_answered_in_order(line: socket.socket) -> None:
    """Eventlet's own way reads ahead: what it has read of the next ones may not be lost, or be read twice."""
    requests, wanted = [], []
    for number in range(60):
        kind = ("quick", "own", "quick with a body", "own with a body")[number * 7 % 11 % 4]
        path = b"heartbeat" if "quick" in kind else b"set"
        body = b"%d " % number * 9 if "body" in kind else b""
        requests.append(b"POST /%s?%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (path, number, len(body), body))
        wanted.append((str(number), body.decode()))
    line.sendall(b"".join(requests))
    given = [answer(line)[1] for _ in wanted]
    assert [(one["QUERY_STRING"], one["body"]) for one in given] == wanted
    assert given[0]["quick"]


def test_who_needs_no_body_does_not_wait_for_it(line: socket.socket) -> None:
    line.sendall(b"POST /heartbeat?1 HTTP/1.1\r\nunread: 1\r\nContent-Length: 9\r\n\r\nab")
    given = [answer(line)[1]]
    line.sendall(b"cdefghi" + b"POST /heartbeat?2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nxy")
    given.append(answer(line)[1])
    assert [(one["QUERY_STRING"], one["body"], one["quick"]) for one in given] == [("1", None, True), ("2", "xy", True)]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 8187,
        b"GET /get/" + b"a" * 4000 + b" HTTP/1.1\r\n" + b"a:b\r\n" * 800,
        b"GET /get/0?" + b"x" * 8000,
    ],
    ids=["path", "path and headers", "query"],
)
def test_no_head_takes_long_to_look_at(head: bytes) -> None:
    """Nobody else is answered meanwhile."""
    begun = time.thread_time()
    assert HEAD.match(head) is None
    assert time.thread_time() - begun < 0.1


def test_half_a_request_does_not_keep_the_server_from_ending() -> None:
    with echo() as (process, port), closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as line:
        line.sendall(whole(QUICK["no body"]) + b"GET /ge")
        answer(line)
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize("path", [b"get/0", b"other"], ids=["quick", "own"])
def test_who_sends_many_requests_at_once_keeps_nobody_waiting(port: int, line: socket.socket, path: bytes) -> None:
    many = 4000
    flood = threading.Thread(target=line.sendall, args=[b"GET /%s HTTP/1.1\r\n\r\n" % path * many])
    left = [many]

    def read() -> None:
        file: Any = line.makefile("rb")
        while left[0]:
            left[0] -= file.readline().endswith(b"HTTP/1.1 200 OK\r\n")  # a body has no end of line

    reader = threading.Thread(target=read)
    flood.start()
    reader.start()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as other:
        other.sendall(whole(QUICK["no body"]))
        answer(other)
    assert left[0] > 0, "they were all answered first"
    flood.join()
    reader.join()


@pytest.mark.parametrize("unusual", [b"", UNUSUAL], ids=["quick", "own"])
def test_who_reads_slowly_gets_all_and_keeps_nobody_waiting(port: int, unusual: bytes) -> None:
    much = 5_000_000
    with closing(socket.socket()) as slow, closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as other:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
        slow.settimeout(20)
        slow.connect(("127.0.0.1", port))
        slow.sendall(b"GET /get/0 HTTP/1.1\r\n" + unusual + b"much: %d\r\n\r\n" % much)
        assert slow.recv(10, socket.MSG_PEEK)  # it sends, and can't go on
        other.sendall(whole(QUICK["no body"]))
        assert answer(other)[1]["much"] == ""
        given = answer(slow)[1]
        assert (given["much"], given["quick"]) == ("x" * much, not unusual)


def test_who_is_one_too_many_waits_until_another_leaves() -> None:
    with echo("3") as (_process, port), ExitStack() as lines:
        few = [
            lines.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=20))) for _ in range(4)
        ]
        for line in few:
            line.sendall(whole(QUICK["no body"]))
        for line in few[:3]:
            answer(line)
        few[3].settimeout(0.3)
        with pytest.raises(TimeoutError):
            few[3].recv(1)
        few[0].close()
        few[3].settimeout(20)
        answer(few[3])


def test_what_nobody_reads_does_not_make_the_end_a_reset(port: int) -> None:
    """Of a reset the client may hear before it has read its answer."""
    for _ in range(5):
        with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.sendall(
                b"POST /heartbeat HTTP/1.1\r\nunread: 1\r\nwait: 0.05\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
            )
            line.sendall(b"123456789")
            assert answer(line)[1]["quick"]
            assert line.recv(1) == b""


def test_who_resets_what_eventlet_answers_leaves_no_open_file() -> None:
    with echo() as (process, port):
        watched = psutil.Process(process.pid)
        before = watched.num_fds()
        for _ in range(30):
            with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as line:
                end_by_reset(line)
                line.sendall(b"GET /other HTTP/1.1\r\nwait: 0.02\r\nmuch: 1000000\r\n\r\n")
                time.sleep(0.01)
        until(lambda: watched.num_fds() <= before)


def test_garbage_that_is_not_looked_for_at_the_start_is_once_it_serves(line: socket.socket) -> None:
    line.sendall(whole(b"GET /get/0 HTTP/1.1\r\n"))
    assert answer(line)[1]["collecting"]


def test_an_expected_body_is_asked_for(line: socket.socket) -> None:
    line.sendall(b"POST /heartbeat HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    assert line.recv(100).split()[1] == b"100"
    line.sendall(b"a")
    assert answer(line)[1]["body"] == "a"


@pytest.mark.parametrize("cut", [5, 40, 75, 90])
def test_a_request_may_come_in_two_pieces(line: socket.socket, cut: int) -> None:
    raw = b"POST /heartbeat HTTP/1.1\r\nHost: a\r\njobix: 4711\r\nContent-Length: 14\r\n\r\n[1, 2, 3, 4] \n"
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(whole(QUICK["no body"]) + raw[:cut])
    answer(line)  # by now the first piece was looked at
    line.sendall(raw[cut:])
    assert answer(line)[1]["body"] == "[1, 2, 3, 4] \n"


def test_who_goes_away_in_the_middle_leaves_the_server_as_it_was(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as line:
        end_by_reset(line)
        line.sendall(b"GET /get/0 HTTP/1.1\r\nwait: 0.2\r\n\r\n")
        time.sleep(0.1)
    for raw in (b"", b"GET /ge", whole(QUICK["no body"]), QUICK["body"][:-3], QUICK["the largest body"][:9000]):
        with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as line:
            line.sendall(raw)
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/get", headers={"wait": "0.3"})  # by then it has tried to answer the first one
        assert connection.getresponse().read()
        for path in SHORT:
            connection.request("GET", f"/{path}")
            assert json.loads(connection.getresponse().read())["quick"]


def test_who_sends_head_and_body_apart_does_not_wait_for_an_acknowledgement(line: socket.socket) -> None:
    """A client that leaves Nagle's algorithm on sends the body when the head is acknowledged, which Linux puts off for
    40 milliseconds where nothing is answered."""
    late = 0
    for _ in range(40):
        begun = time.monotonic()
        line.sendall(b"POST /heartbeat HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
        line.sendall(b"[]")
        assert answer(line)[1]["body"] == "[]"
        late += time.monotonic() - begun > 0.035
    assert late < 20
