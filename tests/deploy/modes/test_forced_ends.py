"""The end of a server that can't end well: a second signal, or requests that last longer than they may."""

import contextlib
import signal
import sqlite3
import time
from http.client import HTTPException

import pytest

from tests.support.ending import SECONDS, half_an_upload, tell_to_end, the_rest
from tests.support.locks import locked
from tests.support.server import Asker
from tests.support.snapshot import file_of, rows
from tests.support.waiter import Waiter

CUT_OFF = (ConnectionError, HTTPException)


def test_a_second_signal_ends_the_server_at_once_and_leaves_the_database_whole(new_server, mode, jobix):
    server = new_server(async_mode=mode, busy_timeout_s="60").start()
    Asker(server.url, jobix)("/set", {"1": {}})
    with locked(server):
        claim = Waiter(server.url, jobix).ask("/get/0")
        tell_to_end(server, signal.SIGINT)
        assert server.process.poll() is None, "it did not wait for the running request"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(SECONDS) == -signal.SIGTERM
        assert isinstance(claim.exception(SECONDS), CUT_OFF)
    with contextlib.closing(sqlite3.connect(file_of(server))) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert rows(server, "SELECT jobstage FROM job") == [(0,)]


def test_who_does_not_end_within_drain_s_is_cut_off(new_server, mode, jobix):
    server = new_server(async_mode=mode, drain_s="0.5").start()
    with half_an_upload(server, jobix) as upload:
        begun = time.monotonic()
        tell_to_end(server, signal.SIGTERM)
        assert server.process.wait(SECONDS) == 0
        assert time.monotonic() - begun >= 0.4
        with pytest.raises(CUT_OFF):
            the_rest(upload)
    assert rows(server, "SELECT jobid FROM job") == []


def test_a_database_that_does_not_answer_can_not_keep_a_server_alive(new_server, mode, jobix):
    """It may still be waited for, so this is no good end; and who asked is told no lie about the outcome."""
    server = new_server(async_mode=mode, busy_timeout_s="60", drain_s="0.5").start()
    Asker(server.url, jobix)("/set", {"1": {}})
    with locked(server):
        claim = Waiter(server.url, jobix).ask("/get/0")
        tell_to_end(server, signal.SIGTERM)
        assert server.process.wait(SECONDS) == 1
        assert isinstance(claim.exception(SECONDS), CUT_OFF)
    assert rows(server, "SELECT jobid, jobstage FROM job") == [(1, 0)]
    assert "Traceback" not in server.log.read_text()
