"""What a network, a proxy or a restart does to a request, and that no job is claimed twice or lost by it."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from client import ClientError, JobClient, NotAJobServer, Report, ResponseLost, ServerUnreachable
from client.http.failures import format_seconds


@pytest.fixture
def through(proxy, jobix):
    """A client whose answers may be lost."""
    return JobClient(proxy.url, jobix, retry_for_s=5)


def test_a_lost_answer_is_asked_for_again_and_no_second_job_is_claimed(through, proxy, client):
    client.set({1: {}, 2: {}})
    proxy.lose("/get/0", times=2)
    assert through.get(0).jobid == 1
    assert proxy.count("/get/0") == 3
    assert client.progress().working == 1


def test_a_lost_answer_of_many_jobs_brings_the_same_jobs(through, proxy, client):
    client.set({jobid: {} for jobid in range(5)})
    proxy.lose("/get/0")
    assert [job.jobid for job in through.get_many(0, 3)] == [0, 1, 2]
    assert client.progress().working == 3


def test_a_lost_answer_to_an_update_is_asked_for_again_with_the_same_next_job(through, proxy, client):
    client.set({jobid: {} for jobid in range(3)})
    job = through.get(0)
    proxy.lose("/update_job/0/2")
    answer = through.update(job, 2, next=0)
    assert (answer.jobstage, answer.next.jobid) == (2, 1)
    progress = client.progress()
    assert (progress.done, progress.working, progress.available) == (1, 1, 1)


def test_a_lost_answer_to_many_updates_is_asked_for_again(through, proxy, client):
    client.set({jobid: {} for jobid in range(4)})
    jobs = through.get_many(0, 2)
    proxy.lose("/update_jobs")
    outcomes, claimed = through.update_many([Report(job.jobid, 2, job.claim) for job in jobs], next=0, n=1)
    assert [one.status for one in outcomes] == [200, 200]
    assert [job.jobid for job in claimed] == [2]
    assert client.progress().working == 1


def test_a_lost_answer_to_a_set_is_sent_again(through, proxy, client):
    proxy.lose("/set")
    assert through.set({1: {}, 2: {}}).known == 2
    assert client.progress().jobs == 2


def test_a_claim_that_was_lost_while_its_answer_was_on_the_way_is_replaced_by_another(
    through, proxy, client, take_back
):
    client.init([0, 10])
    client.set({1: {}})
    proxy.lose("/get/0")
    proxy.instead("/get/0", "503 SERVICE UNAVAILABLE", "Retry-After: 2\r\n")
    got = []
    thread = threading.Thread(target=lambda: got.append(through.get(0)))
    thread.start()
    assert proxy.handled.wait(5)
    take_back()
    thread.join()
    assert got[0].jobid == 1
    assert client.heartbeat(got) == {1: "held"}


def test_an_update_without_a_claim_is_not_said_twice(through, proxy, client):
    client.init([0, 10])
    client.set({1: {"jobstage": 1}})
    proxy.lose("/update_job/1/2")
    with pytest.raises(ResponseLost):
        through.update(1, 2)
    assert proxy.count("/update_job") == 1


def test_retry_after_is_honoured(through, proxy, client):
    client.set({1: {}})
    proxy.instead("/get/0", "503 SERVICE UNAVAILABLE", "Retry-After: 1\r\n")
    assert through.get(0).jobid == 1
    assert 1.0 <= proxy.seen_at[1] - proxy.seen_at[0] < 1.6


def test_a_retry_after_beyond_our_patience_is_not_waited_for(proxy, jobix):
    proxy.instead("/get/0", "503 SERVICE UNAVAILABLE", "Retry-After: 60\r\n")
    began = time.monotonic()
    with pytest.raises(ServerUnreachable):
        JobClient(proxy.url, jobix, retry_for_s=5).get(0)
    assert time.monotonic() - began < 1


def test_what_the_server_says_to_a_refusal_that_does_not_pass_is_passed_on(proxy, jobix, caplog):
    said = '{"error": "database_busy", "message": "The disk of 7 is full."}'.replace("7", str(jobix))
    proxy.instead("/get/0", "503 LATER", body=said, times=99)
    with pytest.raises(ServerUnreachable, match=r"for 0.3 s \(status 503: The disk of … is full\)"):
        JobClient(proxy.url, jobix, retry_for_s=0.3).get(0)
    assert "status 503: The disk of … is full; retrying for 0.3 s" in caplog.text


@pytest.mark.parametrize(
    ("value", "words"), [(300, "300 s"), (1.99852, "2 s"), (86400, "86400 s"), (0.4, "0.4 s"), (0.05, "0.05 s")]
)
def test_seconds_are_said_in_few_digits(value, words):
    assert format_seconds(value) == words


@pytest.mark.parametrize(
    "status", ["429 TOO MANY REQUESTS", "502 BAD GATEWAY", "504 GATEWAY TIMEOUT", "500 APACHE LOST IT"]
)
def test_a_server_that_says_later_is_asked_later(through, proxy, client, status):
    client.set({1: {}})
    proxy.instead("/get/0", status, body="<html>")
    assert through.get(0).jobid == 1


def test_an_answer_that_is_too_late_is_asked_for_again(proxy, client, jobix):
    client.set({1: {}, 2: {}})
    proxy.delay("/get/0", 5)
    assert JobClient(proxy.url, jobix, timeout_s=0.3).get(0).jobid == 1
    assert client.progress().working == 1


def test_a_server_that_stays_away_is_given_up(server, jobix):
    server.kill()
    began = time.monotonic()
    with pytest.raises(ServerUnreachable, match="connection refused"):
        JobClient(server.url, jobix, retry_for_s=0.4).get(0)
    assert 0.3 < time.monotonic() - began < 1.5


def test_the_jobix_is_not_carried_to_where_a_redirect_points(through, proxy):
    proxy.instead("/get", "302 FOUND", f"Location: {proxy.url}/elsewhere?next=x\r\n")
    with pytest.raises(NotAJobServer, match="elsewhere"):
        through.progress()
    assert proxy.count("/elsewhere") == 0


def test_the_jobix_shows_in_no_repr_error_or_log(proxy, caplog, jobix):
    caplog.set_level(logging.DEBUG)
    client = JobClient(proxy.url.replace("//", "//user:word@"), jobix, retry_for_s=0.3)
    client.set({1: {}})
    job = client.get(0)
    proxy.instead("/get", "500 OOPS", body=f'{{"error": "internal", "message": "headers were {{jobix: {jobix}}}"}}')
    proxy.instead("/heartbeat", "503 LATER", times=9)
    shown = [repr(client), repr(job)]
    for ask in (client.progress, lambda: client.heartbeat([job])):
        with pytest.raises(ClientError) as told:
            ask()
        shown += [str(told.value), repr(told.value), repr(told.value.__cause__)]
    shown += [record.getMessage() for record in caplog.records]
    assert "…" in shown[2]
    assert not [text for text in shown if str(jobix) in text or "user:word" in text]


def test_deadlines_are_understood_although_the_clocks_disagree(through, proxy):
    job = '{"jobid": 1, "jobcmd": 0, "jobstage": 0, "claim": "c", "attempt": 1, "deadline": "2001-01-01T00:10:00Z"}'
    proxy.instead("/get/0", "200 OK", "Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n", job)
    assert through.get(0).lifetime_s == 600
