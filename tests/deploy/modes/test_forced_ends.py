"""Forced shutdown: a second signal, or requests that take longer than the drain time."""

import contextlib
import signal
import sqlite3
import time
from http.client import HTTPException

import pytest

from tests.support.background_client import BackgroundClient
from tests.support.locks import locked
from tests.support.server import ApiClient
from tests.support.shutdown import SECONDS, begin_shutdown, finish_upload, half_an_upload
from tests.support.snapshot import file_of, rows

CUT_OFF = (ConnectionError, HTTPException)


def test_a_second_signal_stops_at_once_without_database_damage(new_server, mode, jobix):
    server = new_server(async_mode=mode, busy_timeout_s="60").start()
    ApiClient(server.url, jobix)("/set", {"1": {}})
    with locked(server):
        claim = BackgroundClient(server.url, jobix).send("/get/0")
        begin_shutdown(server, signal.SIGINT)
        assert server.process.poll() is None, "it did not wait for the running request"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(SECONDS) == -signal.SIGTERM
        assert isinstance(claim.exception(SECONDS), CUT_OFF)
    with contextlib.closing(sqlite3.connect(file_of(server))) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert rows(server, "SELECT jobstage FROM job") == [(0,)]


def test_a_request_longer_than_drain_s_is_cut_off(new_server, mode, jobix):
    server = new_server(async_mode=mode, drain_s="0.5").start()
    with half_an_upload(server, jobix) as upload:
        start_s = time.monotonic()
        begin_shutdown(server, signal.SIGTERM)
        assert server.process.wait(SECONDS) == 0
        assert time.monotonic() - start_s >= 0.4
        with pytest.raises(CUT_OFF):
            finish_upload(upload)
    assert rows(server, "SELECT jobid FROM job") == []


def test_a_silent_database_does_not_prevent_a_shutdown(new_server, mode, jobix):
    """The statement may still be running: the exit code is an error, and the response claims no outcome."""
    server = new_server(async_mode=mode, busy_timeout_s="60", drain_s="0.5").start()
    ApiClient(server.url, jobix)("/set", {"1": {}})
    with locked(server):
        claim = BackgroundClient(server.url, jobix).send("/get/0")
        begin_shutdown(server, signal.SIGTERM)
        assert server.process.wait(SECONDS) == 1
        assert isinstance(claim.exception(SECONDS), CUT_OFF)
    assert rows(server, "SELECT jobid, jobstage FROM job") == [(1, 0)]
    assert "Traceback" not in server.log.read_text()
