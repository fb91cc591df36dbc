"""A broken or hostile server: bounded memory and time, clear errors, and no claim that is lost silently."""

from __future__ import annotations

import gzip
import itertools
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from client import JobClient, NotAJobServer, ServerUnreachable, Worker
from client.__main__ import main
from client.http.limits import MAX_BODY_MB
from tests.client.conftest import ROOT
from tests.client.rogue_server import RogueServer, http

JOB = b'{"jobid": 1, "jobcmd": 0, "jobstage": 0, "claim": "c0ffee", "attempt": 1, "deadline": null}'
MB = 1 << 20


def claim_in_another_process(url: str) -> tuple[str, int]:
    """The error of a claim, and the peak memory of its process in MB."""
    code = (
        "import re\nfrom client import JobClient, ClientError\n"
        f"try: JobClient({url!r}, 4711, retry_for_s=0).get(0)\n"
        "except ClientError as problem: print(f'{type(problem).__name__}: {problem}')\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    error, memory = out.splitlines()
    return error, int(memory)


def endless_body(_path, _body) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n"
    yield from itertools.repeat(b" " * MB, 380)


def endless_chunks(_path, _body) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from itertools.repeat(b"100000\r\n" + b" " * MB + b"\r\n", 380)


def gzip_bomb(_path, _body) -> Iterator[bytes]:
    yield http(gzip.compress(b'"' + b" " * 300 * MB + b'"'), headers="Content-Encoding: gzip\r\n")


def large_redirect(_path, _body) -> Iterator[bytes]:
    yield b"HTTP/1.1 302 FOUND\r\nLocation: /elsewhere\r\nContent-Length: 400000000\r\n\r\n"
    yield from itertools.repeat(b" " * MB, 380)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (endless_body, f"more than {MAX_BODY_MB} MB"),
        (endless_chunks, f"more than {MAX_BODY_MB} MB"),
        (gzip_bomb, f"more than {MAX_BODY_MB} MB"),
        (large_redirect, "redirects to /elsewhere"),
    ],
)
def test_a_response_that_is_too_large_is_an_error_and_takes_little_memory(script, expected):
    with RogueServer(script) as server:
        error, memory_mb = claim_in_another_process(server.url)
    assert error.startswith("NotAJobServer: ")
    assert expected in error
    assert memory_mb < 4 * MAX_BODY_MB


def test_a_compressed_response_of_usual_size_is_read():
    with RogueServer(lambda *_: [http(gzip.compress(JOB), headers="Content-Encoding: gzip\r\n")]) as server:
        assert JobClient(server.url, 4711).get(0).jobid == 1


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_a_body_that_cannot_be_decompressed_is_an_error_of_the_server(encoding):
    with (
        RogueServer(lambda *_: [http(JOB, headers=f"Content-Encoding: {encoding}\r\n")]) as server,
        pytest.raises(NotAJobServer),
    ):
        JobClient(server.url, 4711).get(0)


def slow_head(_path, _body) -> Iterator[bytes]:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
        time.sleep(0.1)
        yield bytes([byte])


def slow_body(_path, _body) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    for _ in range(1000):
        time.sleep(0.1)
        yield b" "


def slow_interim_responses(_path, _body) -> Iterator[bytes]:
    while True:
        time.sleep(0.1)
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("script", [slow_head, slow_body, slow_interim_responses])
def test_the_timeout_is_for_the_whole_response(script):
    started = time.monotonic()
    with RogueServer(script) as server, pytest.raises(ServerUnreachable, match="no response in time"):
        JobClient(server.url, 4711, timeout_s=0.8, retry_for_s=0).get(0)
    assert 0.7 < time.monotonic() - started < 3


def test_interim_responses_without_end_are_an_error_before_the_timeout():
    def script(_path, _body) -> Iterator[bytes]:
        yield from itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    started = time.monotonic()
    with RogueServer(script) as server, pytest.raises(ServerUnreachable):
        JobClient(server.url, 4711, timeout_s=60, retry_for_s=0).get(0)
    assert time.monotonic() - started < 20


def test_a_connection_is_used_again_after_a_response(jobix):
    with RogueServer(lambda *_: [http(JOB)]) as server:
        client = JobClient(server.url, jobix, timeout_s=0.5, retry_for_s=0)
        for _ in range(3):
            client.get(0)
            time.sleep(0.4)  # the time of one request does not count for the next
        assert (len(server.paths), server.connections) == (3, 1)


@pytest.mark.parametrize(
    "value", ["99999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 2099 00:00:00 -2359"]
)
def test_a_retry_after_of_hours_is_capped(monkeypatch, value):
    monkeypatch.setattr("client.http.retries.LONGEST_RETRY_AFTER_S", 0.1)
    responses = iter([http(b"{}", "503 LATER", f"Retry-After: {value}\r\n"), http(JOB)])
    with RogueServer(lambda *_: [next(responses)]) as server:
        assert JobClient(server.url, 4711, retry_for_s=30).get(0).jobid == 1


def test_text_of_the_server_cannot_control_the_terminal(capsys, monkeypatch):
    monkeypatch.setenv("JOBSERVER_JOBIX", "4711")
    escape = "\\u001b]0;owned\\u0007\\u009b2J\\u202e"
    responses = {
        "/get/0": http(f'{{"error": "bad{escape}", "message": "no{escape}"}}'.encode(), "400 BAD"),
        "/get/2": http(b"", "302 FOUND", "Location: http://x/\x1b[2J\r\n"),
        "/get/4": http(f'{{"error": "x", "message": "busy{escape}"}}'.encode(), "503 LATER"),
        "/get/6": http(JOB.replace(b'"jobcmd": 0', f'"jobcmd": "{escape}"'.encode())),
        "/update_job/1/2": http(f'{{"jobid": 1, "jobstage": 2, "message": "ok{escape}"}}'.encode()),
        "/get": http(
            f'{{"list": "a{escape}", "last_stage": 2, "jobs": 1, "done": 1, "percent": 100, "available": 0, '
            '"working": 0, "flagged": 0, "failed": 0, "stages": {}}'.encode()
        ),
    }
    with RogueServer(lambda path, _body: [responses[path]]) as server:
        monkeypatch.setenv("JOBSERVER_URL", server.url)
        codes = [
            main([*arguments.split(), "--retry-for-s", "0.3"])
            for arguments in ("get 0", "get 2", "get 4", "get 6", "update 1 2", "watch")
        ]
    printed = capsys.readouterr()
    assert codes == [3, 5, 5, 0, 0, 0]
    for text in ("no", "http://x/", "busy", "jobcmd", "ok", "a"):
        assert text in printed.out + printed.err
    assert not set("\x1b\x07\x9b\u202e") & set(printed.out + printed.err)


DEEP = b"[" * 200_000 + b"]" * 200_000
ODD_HEARTBEATS = {
    "empty": b"{}",
    "no jobs": b'{"jobs": []}',
    "too many": b'{"jobs": [%b]}' % b",".join([b'{"jobid": 1, "state": "held", "deadline": null}'] * 3),
    "another job": b'{"jobs": [{"jobid": 2, "state": "lost", "deadline": null}]}',
    "unknown state": b'{"jobs": [{"jobid": 1, "state": "fine", "deadline": null}]}',
    "deep": DEEP,
    "infinite": b'{"jobs": [{"jobid": 1e400, "state": "held", "deadline": null}]}',
    "a list": b"[1, 2]",
    "a date": b'{"jobs": [{"jobid": 1, "state": "held", "deadline": {"year": 1}}]}',
    "not JSON": b"<html>",
}


@pytest.mark.parametrize("odd", ODD_HEARTBEATS.values(), ids=ODD_HEARTBEATS.keys())
def test_an_odd_response_to_a_heartbeat_does_not_end_the_renewals(odd, caplog):
    """The next response reports that the claim is lost: the function must be notified."""
    caplog.set_level(logging.WARNING)
    lost = http(b'{"jobs": [{"jobid": 1, "state": "lost", "deadline": null}]}')
    heartbeats = iter([http(odd), *itertools.repeat(lost, 9)])
    claims = iter([http(JOB.replace(b"null", b'"2001-01-01T00:00:03Z"'), headers=CLOCK)])

    def script(path: str, _body: object) -> list[bytes]:
        if path.startswith("/get/"):
            return [next(claims, http(b'"nada"'))]
        if path.startswith("/update_jobs"):  # the late result
            return [http(b'{"jobs": [{"jobid": 1, "status": 409, "error": "claim_lost", "message": "lost"}]}')]
        return [next(heartbeats)]

    stopped = []
    with RogueServer(script) as server:
        client = JobClient(server.url, 4711, retry_for_s=1)
        tally = Worker(client, 0, lambda job: stopped.append(job.stopped.wait(8)), wait_s=0).run()
    assert stopped == [True]
    assert tally.lost == 1
    assert "could not be renewed; the work continues" in caplog.text


CLOCK = "Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n"  # the job above has 3 s left


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        b'{"jobid": 1e400, "jobcmd": 0, "jobstage": 0, "claim": "c", "deadline": null}',
        b'{"jobid": 1, "jobcmd": 0, "jobstage": 0, "claim": "c\\r\\nx: y", "deadline": null}',
        b'{"jobid": 1, "jobcmd": 0, "jobstage": 0, "claim": 7, "deadline": null}',
        b'{"jobid": ' + b"9" * 5000 + b"}",
        b"[[]]",
    ],
    ids=["deep", "infinite", "header in the claim", "a number as claim", "5000 digits", "a list in a list"],
)
def test_json_that_no_job_server_sends_is_an_error_of_the_server(body, capsys, monkeypatch):
    monkeypatch.setenv("JOBSERVER_JOBIX", "4711")
    with RogueServer(lambda *_: [http(body)]) as server:
        assert main(["get", "0", "--url", server.url]) == 5
    error = capsys.readouterr().err
    assert error.startswith(f"error: {server.url} sent ")
    assert "job server" in error


def test_a_lifetime_of_1e400_minutes_is_an_error_of_the_server():
    body = b'{"stage": 1, "minutes": 1e400, "requeue": null, "max_attempts": 5}'
    with RogueServer(lambda *_: [http(body)]) as server, pytest.raises(NotAJobServer, match="OverflowError"):
        JobClient(server.url, 4711).lifetime(1)


def test_fewer_outcomes_than_reports_are_not_success():
    def script(path: str, _body: object) -> list[bytes]:
        return [http(b'{"jobs": [], "next": null}' if path.startswith("/update") else JOB)]

    threads = threading.active_count()
    with RogueServer(script) as server, pytest.raises(Exception, match="UNDELIVERED"):
        Worker(JobClient(server.url, 4711, retry_for_s=0), 0, lambda job: 1).run()
    assert threading.active_count() <= threads + 3


@pytest.mark.parametrize("headers", ["", "Date: Sat", "Content-Type: application/json\r\nContent-Le"])
def test_a_claim_is_repeated_after_a_response_that_ends_within_its_headers(headers):
    def respond(_path, _body):
        if len(server.paths) > 1:
            yield http(JOB)
        else:
            yield f"HTTP/1.1 200 OK\r\n{headers}".encode()
            raise ConnectionAbortedError  # closes the connection

    with RogueServer(respond) as server:
        assert JobClient(server.url, 4711, retry_for_s=5).get(0).jobid == 1
        assert len(server.paths) == 2
