"""Lost responses, proxies and restarts: no job is claimed twice or lost."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from client import ClientError, JobClient, NotAJobServer, Report, ResponseLost, ServerUnreachable
from client.http.failures import format_seconds


@pytest.fixture
def through_proxy(proxy, jobix):
    """A client whose responses may be lost."""
    return JobClient(proxy.url, jobix, retry_for_s=5)


def test_a_claim_is_retried_after_a_lost_response_without_a_second_job(through_proxy, proxy, client):
    client.set({1: {}, 2: {}})
    proxy.lose_response("/get/0", times=2)
    assert through_proxy.get(0).jobid == 1
    assert proxy.count("/get/0") == 3
    assert client.progress().working == 1


def test_a_claim_of_many_jobs_returns_the_same_jobs_after_a_lost_response(through_proxy, proxy, client):
    client.set({jobid: {} for jobid in range(5)})
    proxy.lose_response("/get/0")
    assert [job.jobid for job in through_proxy.get_many(0, 3)] == [0, 1, 2]
    assert client.progress().working == 3


def test_an_update_is_retried_after_a_lost_response_with_the_same_next_job(through_proxy, proxy, client):
    client.set({jobid: {} for jobid in range(3)})
    job = through_proxy.get(0)
    proxy.lose_response("/update_job/0/2")
    response = through_proxy.update(job, 2, next=0)
    assert (response.jobstage, response.next.jobid) == (2, 1)
    progress = client.progress()
    assert (progress.done, progress.working, progress.available) == (1, 1, 1)


def test_many_updates_are_retried_after_a_lost_response(through_proxy, proxy, client):
    client.set({jobid: {} for jobid in range(4)})
    jobs = through_proxy.get_many(0, 2)
    proxy.lose_response("/update_jobs")
    outcomes, claimed = through_proxy.update_many([Report(job.jobid, 2, job.claim) for job in jobs], next=0, n=1)
    assert [outcome.status for outcome in outcomes] == [200, 200]
    assert [job.jobid for job in claimed] == [2]
    assert client.progress().working == 1


def test_a_set_is_retried_after_a_lost_response(through_proxy, proxy, client):
    proxy.lose_response("/set")
    assert through_proxy.set({1: {}, 2: {}}).known == 2
    assert client.progress().jobs == 2


def test_a_cancel_is_repeated_only_if_it_names_its_claim(through_proxy, proxy, client):
    client.set({1: {}, 2: {}})
    job = client.get(0)
    proxy.lose_response("/cancel_jobs")
    assert through_proxy.cancel([job]).requested == 1
    assert proxy.count("/cancel_jobs") == 2
    proxy.lose_response("/cancel_jobs")
    with pytest.raises(ResponseLost):
        through_proxy.cancel([job, 2])
    assert proxy.count("/cancel_jobs") == 3


def test_a_claim_that_ended_before_its_response_arrived_is_replaced(through_proxy, proxy, client, take_back):
    client.init([0, 10])
    client.set({1: {}})
    proxy.lose_response("/get/0")
    proxy.replace_response("/get/0", "503 SERVICE UNAVAILABLE", "Retry-After: 2\r\n")
    claimed = []
    thread = threading.Thread(target=lambda: claimed.append(through_proxy.get(0)))
    thread.start()
    assert proxy.handled.wait(5)
    take_back()
    thread.join()
    assert claimed[0].jobid == 1
    assert client.heartbeat(claimed) == {1: "held"}


def test_an_update_without_a_claim_is_sent_once(through_proxy, proxy, client):
    client.init([0, 10])
    client.set({1: {"jobstage": 1}})
    proxy.lose_response("/update_job/1/2")
    with pytest.raises(ResponseLost):
        through_proxy.update(1, 2)
    assert proxy.count("/update_job") == 1


def test_retry_after_is_honoured(through_proxy, proxy, client, caplog):
    client.set({1: {}})
    proxy.replace_response("/get/0", "503 SERVICE UNAVAILABLE", "Retry-After: 1\r\n")
    assert through_proxy.get(0).jobid == 1
    assert 1.0 <= proxy.request_times[1] - proxy.request_times[0] < 1.6
    assert caplog.messages[-1] == f"{proxy.url}: connected again"


def test_a_retry_after_beyond_retry_for_s_ends_the_retries(proxy, jobix):
    proxy.replace_response("/get/0", "503 SERVICE UNAVAILABLE", "Retry-After: 60\r\n")
    began = time.monotonic()
    with pytest.raises(ServerUnreachable):
        JobClient(proxy.url, jobix, retry_for_s=5).get(0)
    assert time.monotonic() - began < 1


def test_the_message_of_a_temporary_failure_is_shown(proxy, jobix, caplog):
    error_body = '{"error": "database_busy", "message": "The disk of 7 is full."}'.replace("7", str(jobix))
    proxy.replace_response("/get/0", "503 LATER", body=error_body, times=99)
    with pytest.raises(ServerUnreachable, match=r"for 0.3 s \(status 503: The disk of … is full\)"):
        JobClient(proxy.url, jobix, retry_for_s=0.3).get(0)
    assert "status 503: The disk of … is full; retrying for 0.3 s" in caplog.text


@pytest.mark.parametrize(
    ("value", "text"), [(300, "300 s"), (1.99852, "2 s"), (86400, "86400 s"), (0.4, "0.4 s"), (0.05, "0.05 s")]
)
def test_seconds_have_few_digits(value, text):
    assert format_seconds(value) == text


@pytest.mark.parametrize(
    "status", ["429 TOO MANY REQUESTS", "502 BAD GATEWAY", "504 GATEWAY TIMEOUT", "500 APACHE LOST IT"]
)
def test_temporary_failures_are_retried(through_proxy, proxy, client, status):
    client.set({1: {}})
    proxy.replace_response("/get/0", status, body="<html>")
    assert through_proxy.get(0).jobid == 1


def test_a_late_response_is_requested_again(proxy, client, jobix):
    client.set({1: {}, 2: {}})
    proxy.delay("/get/0", 5)
    assert JobClient(proxy.url, jobix, timeout_s=0.3).get(0).jobid == 1
    assert client.progress().working == 1


def test_an_unreachable_server_is_an_error_after_retry_for_s(server, jobix):
    server.kill()
    began = time.monotonic()
    with pytest.raises(ServerUnreachable, match="connection refused"):
        JobClient(server.url, jobix, retry_for_s=0.4).get(0)
    assert 0.3 < time.monotonic() - began < 1.5


def test_the_jobix_is_not_sent_to_the_target_of_a_redirect(through_proxy, proxy):
    proxy.replace_response("/get", "302 FOUND", f"Location: {proxy.url}/elsewhere?next=x\r\n")
    with pytest.raises(NotAJobServer, match="elsewhere"):
        through_proxy.progress()
    assert proxy.count("/elsewhere") == 0


def test_the_jobix_is_in_no_repr_error_or_log(proxy, caplog, jobix):
    caplog.set_level(logging.DEBUG)
    client = JobClient(proxy.url.replace("//", "//user:word@"), jobix, retry_for_s=0.3)
    client.set({1: {}})
    job = client.get(0)
    proxy.replace_response(
        "/get", "500 OOPS", body=f'{{"error": "internal", "message": "headers were {{jobix: {jobix}}}"}}'
    )
    proxy.replace_response("/heartbeat", "503 LATER", times=9)
    texts = [repr(client), repr(job)]
    for send in (client.progress, lambda: client.heartbeat([job])):
        with pytest.raises(ClientError) as error_info:
            send()
        texts += [str(error_info.value), repr(error_info.value), repr(error_info.value.__cause__)]
    texts += [record.getMessage() for record in caplog.records]
    assert "…" in texts[2]
    assert not [text for text in texts if str(jobix) in text or "user:word" in text]


def test_deadlines_are_understood_although_the_clocks_disagree(through_proxy, proxy):
    job = '{"jobid": 1, "jobcmd": 0, "jobstage": 0, "claim": "c", "attempt": 1, "deadline": "2001-01-01T00:10:00Z"}'
    proxy.replace_response("/get/0", "200 OK", "Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n", job)
    assert through_proxy.get(0).lifetime_s == 600
