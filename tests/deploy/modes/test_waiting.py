"""/get?wait= in every mode: new jobs wake long polls, and disconnected clients claim nothing."""

import contextlib
import socket
import statistics
import struct
import time

import pytest

from tests.support.background_client import LONG_WAIT_S, PROMPT_S, BackgroundClient
from tests.support.raw_requests import without_fault
from tests.support.server import ApiClient

ROUNDS = 9
both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"], scope="session")


@pytest.fixture
def background(shared, jobix):
    """Sends long polls with the key of the list."""
    return BackgroundClient(shared.url, jobix)


def settle(api):
    """Returns when earlier long polls wait: these later requests pass through the same commit queue."""
    for _ in range(4):
        assert ApiClient(api.url, api.jobix)("/heartbeat", []).status_code == 200


@both
@pytest.mark.parametrize("route", ["set", "release"])
def test_a_new_job_wakes_a_long_poll_without_a_poll_delay(api, background, route, kind):
    """The server also polls the database every 0.25 s. That would take 0.125 s on average."""
    api("/set", {"0": {}})
    claim, took_s = api("/get/0").json()["claim"], []
    for number in range(1, ROUNDS + 1):
        response = background.send(f"/get/0?wait={LONG_WAIT_S}")
        settle(api)
        assert not response.done()
        start_s = time.monotonic()
        if route == "set":
            api("/set", {str(number): {}})
            assert response.result(PROMPT_S)["jobid"] == number
        else:
            api("/update_job/0/0", claim=claim)
            job = response.result(PROMPT_S)
            assert (job["jobid"], job["attempt"]) == (0, number + 1)
            claim = job["claim"]
        took_s.append(time.monotonic() - start_s)
    assert statistics.median(took_s) < 0.07, took_s


@both
@pytest.mark.parametrize("end_of_connection", ["closed", "reset"])
def test_a_disconnected_long_poll_does_not_claim_the_job(shared, api, jobix, background, end_of_connection, kind):
    api("/set", {"1": {"jobstage": 2}})
    log_start = shared.log.stat().st_size
    with contextlib.ExitStack() as disconnected:
        for _ in range(3):
            connection = disconnected.enter_context(socket.create_connection(("127.0.0.1", shared.port), timeout=20))
            connection.sendall(b"GET /get/0?wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: %d\r\n\r\n" % jobix)
            if end_of_connection == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        settle(api)
        response = background.send(f"/get/0?wait={LONG_WAIT_S}")  # queued after the disconnected ones
        settle(api)
    api("/set", {"7": {}})
    job = response.result(PROMPT_S)
    assert (job["jobid"], job["attempt"]) == (7, 1)
    without_fault(shared, log_start)


def test_long_polls_do_not_delay_other_requests(api, background):
    api("/set", {"1": {"jobstage": 2}})
    responses = [background.send(f"/get/0?wait={LONG_WAIT_S}") for _ in range(30)]
    for jobid in range(100, 110):
        api("/set", {str(jobid): {"jobstage": 4}})
        assert api("/get/4").json()["jobid"] == jobid
    assert not any(response.done() for response in responses)
    api("/set", {str(jobid): {} for jobid in range(200, 230)})
    assert sorted(response.result(PROMPT_S)["jobid"] for response in responses) == list(range(200, 230))
