"""Unusual but valid JSON in a /set, and unusual compression."""

import gzip
import json
import resource
import time

import psutil
import pytest

from tests.support.large_bodies import MB, Memory
from tests.support.raw_requests import check_response, send, without_fault
from tests.support.server import ApiClient

GROWTH_BOUND = 2 * MB
HUGE = [b"1e9999999999", b"1e-9999999999", b"-1E+999999999999999999999", b"[1e400]", b'{"a": 1e9999999999}']
SURROGATES = [b'"\\ud800"', b'"x\\udfff"', b'{"\\ud800": 1}', b'"\\ude00\\ud83d"']


@pytest.fixture(autouse=True)
def no_fault(shared):
    """Fails a test if a route of the server had an internal error."""
    log_start = shared.log.stat().st_size
    yield
    without_fault(shared, log_start)


def send_set(server, jobix, body):
    """The status and JSON of a /set."""
    status, response = send(server, "POST", "/set", {"jobix": jobix}, body)
    check_response(status, response) if status != 503 else None
    return status, json.loads(response)


@pytest.mark.parametrize("number", HUGE)
def test_an_extreme_number_is_refused_or_kept_exactly(shared, api, jobix, number):
    status, _content = send_set(shared, jobix, b'{"1": {}, "2": {"jobcmd": %s}}' % number)
    if status == 400:
        assert api("/get").json()["jobs"] == 0
    else:
        claimed = send(shared, "GET", "/get/0?n=2", {"jobix": jobix})[1].lower().replace(b"+", b"")
        assert number.lower().replace(b"+", b"").replace(b" ", b"") in claimed.replace(b" ", b"")


@pytest.mark.parametrize("text", SURROGATES)
def test_a_single_surrogate_is_refused(shared, api, jobix, text):
    status, content = send_set(shared, jobix, b'{"1": {}, "2": {"jobcmd": %s}}' % text)
    assert (status, content["error"]) == (400, "bad_request")
    assert api("/get").json()["jobs"] == 0


def test_a_surrogate_pair_is_one_character(shared, api, jobix):
    assert send_set(shared, jobix, b'{"1": {"jobcmd": "\\ud83d\\ude00"}}')[0] == 200
    assert api("/get/0").json()["jobcmd"] == "😀"


@pytest.mark.parametrize("cut", [1, 4, 9, 18])
def test_concatenated_gzip_files_are_one_body(shared, api, jobix, cut):
    body = b'{"1": {}, "2": {}, "3": {}}'
    members = [body[:cut], b"", body[cut:20], body[20:]]
    assert send_set(shared, jobix, b"".join(map(gzip.compress, members))) == (
        200, {"message": "Accepted: 3 new, 0 known", "new": 3, "known": 0}
    )  # fmt: skip


EXTRA_BYTES = {
    "text": b"garbage",
    "zero": b"\0",
    "another": gzip.compress(b'{"2": {}}'),
    "cut off": gzip.compress(b"{}")[:12],
}


@pytest.mark.parametrize("extra_bytes", EXTRA_BYTES.values(), ids=EXTRA_BYTES)
def test_bytes_after_the_end_of_a_set_are_refused(shared, api, jobix, extra_bytes):
    status, content = send_set(shared, jobix, gzip.compress(b'{"1": {}}') + extra_bytes)
    assert (status, content["error"]) == (400, "bad_request")
    assert api("/get").json()["jobs"] == 0


@pytest.mark.parametrize("inner", [b"[],", b"0,", b"[[]],"])
def test_a_job_of_very_many_values_is_refused_in_bounded_memory_and_time(shared, jobix, inner):
    body = gzip.compress(b'{"1": {"jobcmd": [' + inner * (30 * MB // len(inner)) + b"0]}}", 1)
    start_s = time.monotonic()
    with Memory(shared) as memory:
        status, content = send_set(shared, jobix, body)
    assert (status, content["error"]) == (400, "bad_request")
    assert memory.grown_mb < 300
    assert time.monotonic() - start_s < 5


def test_a_very_long_text_is_parsed_in_linear_time(shared, jobix):
    process = psutil.Process(shared.process.pid)

    def worked_s(mb):
        before = process.cpu_times()
        assert send_set(shared, jobix, gzip.compress(b'{"%d": {"jobcmd": "%s"}}' % (mb, b"x" * (mb * MB)), 1))[0] == 200
        return sum(process.cpu_times()[:2]) - sum(before[:2])

    assert worked_s(15) < 8 * max(worked_s(4), 0.05)


@pytest.mark.parametrize("text", ["x" * 3000, '"' * 700], ids=["body", "chunks"])
def test_a_set_on_a_full_disk_is_503_and_changes_nothing(new_server, jobix, text):
    """The body is stored in a file, and so are its converted chunks, which may be longer."""
    server = new_server().start()
    api = ApiClient(server.url, jobix)
    assert api("/set", {"0": {}}).status_code == 200
    _soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (GROWTH_BOUND, hard))
    large = {str(jobid): {"jobcmd": text} for jobid in range(1000)}
    response = api("/set", large)
    assert (response.status_code, response.json()["error"]) == (503, "disk_full")
    assert int(response.headers["Retry-After"]) >= 1
    assert api("/get").json()["jobs"] == 1
    assert api("/set", {"1": {}}).json()["new"] == 1
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    body = api("/set", large).json()
    assert (body["new"], body["known"], body["different"]) == (998, 2, 2)
    without_fault(server, 0)
