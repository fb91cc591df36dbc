"""/get?wait= in every mode: new jobs wake long polls, and disconnected clients claim nothing."""

import contextlib
import socket
import statistics
import struct
import time

import pytest

from tests.support.raw import without_fault
from tests.support.server import Asker
from tests.support.waiter import AT_ONCE_S, FOREVER, Waiter

ROUNDS = 9
both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"], scope="session")


@pytest.fixture
def waiter(shared, jobix):
    """Sends long polls with the key of the list."""
    return Waiter(shared.url, jobix)


def settle(ask):
    """Returns when earlier long polls wait: these later requests pass through the same commit queue."""
    for _ in range(4):
        assert Asker(ask.url, ask.jobix)("/heartbeat", []).status_code == 200


@both
@pytest.mark.parametrize("way", ["set", "release"])
def test_a_new_job_wakes_a_long_poll_without_a_poll_delay(ask, waiter, way, kind):
    """The server also polls the database every 0.25 s. That would take 0.125 s on average."""
    ask("/set", {"0": {}})
    claim, took_s = ask("/get/0").json()["claim"], []
    for number in range(1, ROUNDS + 1):
        answer = waiter.ask(f"/get/0?wait={FOREVER}")
        settle(ask)
        assert not answer.done()
        begun = time.monotonic()
        if way == "set":
            ask("/set", {str(number): {}})
            assert answer.result(AT_ONCE_S)["jobid"] == number
        else:
            ask("/update_job/0/0", claim=claim)
            job = answer.result(AT_ONCE_S)
            assert (job["jobid"], job["attempt"]) == (0, number + 1)
            claim = job["claim"]
        took_s.append(time.monotonic() - begun)
    assert statistics.median(took_s) < 0.07, took_s


@both
@pytest.mark.parametrize("way", ["closed", "reset"])
def test_a_disconnected_long_poll_does_not_claim_the_job(shared, ask, jobix, waiter, way, kind):
    ask("/set", {"1": {"jobstage": 2}})
    begun = shared.log.stat().st_size
    with contextlib.ExitStack() as gone:
        for _ in range(3):
            connection = gone.enter_context(socket.create_connection(("127.0.0.1", shared.port), timeout=20))
            connection.sendall(b"GET /get/0?wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: %d\r\n\r\n" % jobix)
            if way == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        settle(ask)
        answer = waiter.ask(f"/get/0?wait={FOREVER}")  # queued after the disconnected ones
        settle(ask)
    ask("/set", {"7": {}})
    job = answer.result(AT_ONCE_S)
    assert (job["jobid"], job["attempt"]) == (7, 1)
    without_fault(shared, begun)


def test_long_polls_do_not_delay_other_requests(ask, waiter):
    ask("/set", {"1": {"jobstage": 2}})
    answers = [waiter.ask(f"/get/0?wait={FOREVER}") for _ in range(30)]
    for jobid in range(100, 110):
        ask("/set", {str(jobid): {"jobstage": 4}})
        assert ask("/get/4").json()["jobid"] == jobid
    assert not any(answer.done() for answer in answers)
    ask("/set", {str(jobid): {} for jobid in range(200, 230)})
    assert sorted(answer.result(AT_ONCE_S)["jobid"] for answer in answers) == list(range(200, 230))
