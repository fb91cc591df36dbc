"""Request bodies in every mode: each web server reads them differently, with the same result."""

import gzip
import json
import random
import zlib
from http.client import HTTPConnection

import pytest
import requests

from tests.support.large_bodies import MB, ROUTES, ZEROS, Memory, bomb, stream
from tests.support.raw_requests import send_and_end, without_fault
from tests.support.server import ApiClient
from tests.support.snapshot import opened

PACKED = {"plain": lambda raw: raw, "zlib": zlib.compress, "gzip": gzip.compress}
CUT_OFF = [
    ("/update_job/1/2", b""), ("/update_job/1/2", b'{"filename": "1.npy"'), ("/update_job/1/2", b"{}"),
    ("/update_jobs", b'[{"jobid": 1, "jobstage": 2}]'), ("/heartbeat", b"[]"),
    ("/set", b'{"7": {}}'), ("/set", b'{"7": {}, '), ("/set", zlib.compress(b'{"7": {}}')[:-4]), ("/set", b""),
]  # fmt: skip


def pieces(raw: bytes):
    """A body in pieces of growing size, from one byte."""
    at, size = 0, 1
    while at < len(raw):
        yield raw[at : at + size]
        at, size = at + size, max(1, at)


@pytest.mark.parametrize("sent", ["whole", "chunked"])
@pytest.mark.parametrize("pack", PACKED)
def test_each_encoding_and_framing_of_a_body_is_parsed(shared, jobix, pack, sent):
    rng = random.Random(1)
    jobs = {str(jobid): {"jobcmd": rng.randbytes(500).hex()} for jobid in range(500)}
    connection = HTTPConnection("127.0.0.1", shared.port, timeout=20)  # one kept-alive connection

    def api(path, value):
        body = PACKED[pack](json.dumps(value).encode())
        chunked = {"Transfer-Encoding": "chunked"} if sent == "chunked" else {}
        connection.request(
            "POST", path, pieces(body) if chunked else body, {"jobix": str(jobix)} | chunked, encode_chunked=True
        )
        response = connection.getresponse()
        assert response.status == 200, response.read()
        return json.loads(response.read())

    assert api("/set", jobs)["new"] == 500
    claimed = api("/get/0?n=500", None)
    assert {str(job["jobid"]): {"jobcmd": job["jobcmd"]} for job in claimed} == jobs
    assert api("/update_job/0/2", {"jobcmd": {"é": "ü" * 1000}})["jobstage"] == 2
    assert api("/get/2", {})["jobcmd"] == {"é": "ü" * 1000}
    connection.close()


@pytest.mark.parametrize("cut_in", ["length", "chunk", "last chunk"])
def test_a_truncated_body_is_refused_and_changes_nothing(shared, api, jobix, cut_in):
    """Also if the received part is complete JSON. The last case is truncated between two chunks."""
    api("/set", {"1": {"jobstage": 1}})
    log_start = shared.log.stat().st_size
    with opened(shared) as database:
        before = database.tables()
        for path, arrived in CUT_OFF:
            head = b"Content-Length: 60" if cut_in == "length" else b"Transfer-Encoding: chunked"
            if cut_in == "chunk":
                arrived = b"3c\r\n" + arrived
            elif cut_in == "last chunk":
                arrived = b"%x\r\n%s\r\n" % (len(arrived), arrived) if arrived else b""
            raw = b"POST %s HTTP/1.1\r\nHost: localhost\r\njobix: %d\r\n%s\r\n\r\n%s" % (
                path.encode(),
                jobix,
                head,
                arrived,
            )
            response = send_and_end(shared, raw)
            assert not response or response.startswith(b"HTTP/1.1 400 "), (path, arrived, response)
            assert database.tables() == before, (path, arrived)
    without_fault(shared, log_start)


def test_a_byte_after_a_compressed_body_is_refused_without_blocking(server, jobix):
    """Regression: this was an endless loop. The test uses a separate server, so that it cannot block other tests."""
    body = zlib.compress(b'{"7": {"jobcmd": "' + b"x" * 100_000 + b'"}}') + b"\n"
    response = requests.post(server.url + "/set", body, headers={"jobix": str(jobix)}, timeout=10)
    assert response.status_code == 400
    assert ApiClient(server.url, jobix)("/get").json()["jobs"] == 0


@pytest.mark.parametrize("wbits", [15, 31], ids=["zlib", "gzip"])
def test_a_zip_bomb_is_refused_in_bounded_memory(shared, wbits):
    body = bomb(wbits)
    with Memory(shared) as memory:
        for path in ROUTES:
            _accepted_mb, response = stream(shared, path, b"Content-Length: %d" % len(body), [body])
            assert response.startswith(b"HTTP/1.1 413 "), (path, response)
    assert memory.grown_mb < 60


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
def test_a_body_of_1_gb_is_refused_in_bounded_memory(shared, head):
    ApiClient(shared.url, 1)("/set", {"1": {"jobstage": 1}})
    with Memory(shared) as memory:
        for path in ROUTES[:2]:
            chunks = (ZEROS if b"Length" in head else b"%x\r\n%s\r\n" % (MB, ZEROS) for _ in range(1000))
            accepted_mb, response = stream(shared, path, head, chunks)
            assert response.startswith(b"HTTP/1.1 413 "), (path, response)
            assert accepted_mb < 200, "the server continued to read a body that is too large"
    assert memory.grown_mb < 60
    assert ApiClient(shared.url, 1)("/get").json()["stages"]["1"]["jobs"] == 1
