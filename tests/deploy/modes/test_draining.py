"""Shutdown in every mode: running requests complete, acknowledged changes persist, and it takes only seconds."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException

import pytest
import requests

from tests.support.background_client import LONG_WAIT_S, BackgroundClient
from tests.support.locks import locked
from tests.support.paths import ROOT
from tests.support.server import ApiClient
from tests.support.shutdown import SECONDS, begin_shutdown, finish_upload, half_an_upload
from tests.support.snapshot import rows

CLOSED = (HTTPException, ConnectionResetError, BrokenPipeError)
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_drains_requests_and_answers_long_polls(new_server, mode, jobix, number):
    server = new_server(async_mode=mode, busy_timeout_s="60").start()
    api = ApiClient(server.url, jobix)  # its open connection must not keep the server alive
    api("/set", {"1": {}, "2": {}, "3": {"jobstage": 2}})
    api("/get/0?n=2", claim="c" * 32)
    waiting = [BackgroundClient(server.url, jobix).send(f"/get/4?wait={LONG_WAIT_S}") for _ in range(3)]
    idle = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    start_s = time.monotonic()
    with half_an_upload(server, jobix) as upload:
        with locked(server):
            update = BackgroundClient(server.url, jobix).send("/update_job/1/2", claim="c" * 32)
            begin_shutdown(server, number)
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(0.4)  # the server runs as long as its requests
            assert not update.done()
        assert update.result(SECONDS)["jobstage"] == 2
        assert finish_upload(upload)[0] == 200
    assert [response.result(SECONDS) for response in waiting] == ["nada"] * 3
    assert server.process.wait(SECONDS) == 0
    assert time.monotonic() - start_s < SECONDS
    stored = rows(server, "SELECT jobid, jobstage, claim IS NULL FROM job ORDER BY jobid")
    assert stored == [(1, 2, 1), (2, 1, 0), (3, 2, 1), (8, 0, 1)]
    assert "Traceback" not in server.log.read_text()
    idle.close()


class Setter(threading.Thread):
    """Sets one job after the other until the server is gone, and keeps the responses."""

    def __init__(self, server, jobix, first):
        super().__init__()
        self.acknowledged, self.statuses, self.error = [], set(), None
        self._server, self._jobix, self._next = server, jobix, first

    def run(self):
        while True:
            connection = HTTPConnection("127.0.0.1", self._server.port, timeout=20)
            try:
                with contextlib.closing(connection), contextlib.suppress(*CLOSED):
                    while not self._set(connection):
                        pass
            except ConnectionRefusedError:
                return
            except Exception as error:
                self.error = error
                return

    def _set(self, connection):
        """Sets one job. Returns whether the server closes the connection."""
        self._next += 1
        connection.request("POST", "/set", b'{"%d": {}}' % self._next, {"jobix": str(self._jobix)})
        response = connection.getresponse()
        content = json.loads(response.read())
        self.statuses.add(response.status)
        if response.status == 200:
            assert content["new"] == 1
            self.acknowledged.append(self._next)
        return response.will_close


def test_requests_during_a_shutdown_are_done_or_refused(new_server, mode, jobix):
    server = new_server(async_mode=mode).start()
    setters = [Setter(server, jobix, first) for first in range(0, 600_000, 100_000)]
    for setter in setters:
        setter.start()
    give_up_at = time.monotonic() + SECONDS
    while min(len(setter.acknowledged) for setter in setters) < 5:
        assert time.monotonic() < give_up_at
        time.sleep(0.005)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(SECONDS) == 0
    for setter in setters:
        setter.join(SECONDS)
        assert setter.error is None
        assert setter.statuses <= {200, 503}
    stored = {jobid for (jobid,) in rows(server, "SELECT jobid FROM job")}
    assert {jobid for setter in setters for jobid in setter.acknowledged} <= stored
    assert rows(server, "SELECT stage, jobs FROM stage_count") == [(0, len(stored))]
    assert "Traceback" not in server.log.read_text()


def test_a_new_request_during_a_shutdown_is_refused_at_once(new_server, mode, jobix):
    server = new_server(async_mode=mode).start()
    kept_alive, new = ApiClient(server.url, jobix), ApiClient(server.url, jobix)
    kept_alive("/set", {"1": {}})
    with half_an_upload(server, jobix) as upload:
        begin_shutdown(server, signal.SIGTERM)
        for api in (kept_alive, new):
            with contextlib.suppress(requests.ConnectionError):  # the connection may be refused or closed
                response = api.session.get(server.url + "/get/0", headers={"jobix": str(jobix)}, timeout=SECONDS)
                assert (response.status_code, response.json()["error"]) == (503, "shutting_down")
        assert server.process.poll() is None, "it ended before the running request"
        assert finish_upload(upload)[0] == 200
    assert server.process.wait(SECONDS) == 0
    assert rows(server, "SELECT jobid, jobstage FROM job ORDER BY jobid") == [(1, 0), (8, 0)]


def test_a_server_stops_cleanly_right_after_its_ready_line(new_server, mode):
    """A supervisor may wait for this line and stop the server immediately."""
    environment = new_server(async_mode=mode).environment
    with subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert b" serves http" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
            [line] = process.stderr.read().splitlines()
            assert line.startswith(b"job_manager stops: ")
        finally:
            process.kill()


def test_a_second_server_on_one_address_fails_with_one_line(new_server, jobix):
    first = new_server().start()
    api = ApiClient(first.url, jobix)
    api("/set", {"1": {}})
    second = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=first.environment, capture_output=True, text=True, timeout=20
    )
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr.startswith("jobserver: ")
    assert f"Port {first.port} of 127.0.0.1 is in use" in second.stderr
    assert second.stderr.count("\n") == 1
    assert api("/get/0").json()["jobid"] == 1
