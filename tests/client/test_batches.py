"""Batches of short jobs have the same guarantees as single jobs."""

from __future__ import annotations

import threading
import time

import pytest

from client import JobClient, Tally, Undelivered, Worker
from client.http.retries import new_token
from client.worker.batch import MAX_SIZE, BatchSize


def test_a_batch_is_about_a_second_of_work_and_grows_step_by_step():
    pace, sizes = BatchSize(), []
    for _ in range(6):
        sizes.append(pace.n)
        pace.measured(pace.n, 0.0001 * pace.n)
    assert sizes == [1, 8, 64, 512, MAX_SIZE, MAX_SIZE]
    for done, seconds, n in ((1000, 4.0, 250), (250, 1.0, 250), (1, 0.6, 1), (0, 0.1, 1), (1, 0.0, 8)):
        pace.measured(done, seconds)
        assert pace.n == n


def test_a_batch_of_large_jobs_stays_below_the_maximum_size_of_a_response(client, monkeypatch):
    monkeypatch.setattr("client.http.limits.MAX_BODY_MB", 1)
    monkeypatch.setattr("client.worker.batch.MAX_BYTES", 500_000)
    client.set({jobid: {"jobcmd": "x" * 50_000} for jobid in range(80)})
    assert Worker(client, 0, lambda job: None).run().done == 80


def test_short_jobs_take_few_requests_and_each_is_done_once(proxy, jobix):
    client = JobClient(proxy.url, jobix)
    client.set({jobid: {"jobcmd": jobid} for jobid in range(1500)})
    seen = []
    assert Worker(client, 0, lambda job: seen.append(job.jobcmd)).run() == Tally(done=1500)
    assert seen == list(range(1500))
    assert proxy.count("/get/0") + proxy.count("/update_jobs") < 15


def test_long_jobs_are_claimed_one_by_one(client):
    client.set({jobid: {} for jobid in range(3)})
    held = []

    def work(job):
        time.sleep(0.55)
        held.append(client.progress().working)

    assert Worker(client, 0, work).run() == Tally(done=3)
    assert held == [1, 1, 1]


def test_a_slow_job_does_not_delay_the_others_of_its_batch(client, url, jobix, monkeypatch, until):
    """Finished jobs are reported, and jobs that have not started are given to others, without an error."""
    monkeypatch.setattr("client.worker.batch.SLOW_S", 0.1)
    client.set({jobid: {} for jobid in range(40)})
    others = []

    def work(job):
        if job.jobid == 12:  # in the third claim, of jobs 9 and up
            until(lambda: client.progress().done == 12)
            assert (client.progress().available, client.progress().working) == (27, 1)
            others.append(Worker(JobClient(url, jobix), 0, lambda job: None, wait_s=0).run())

    assert Worker(client, 0, work).run() == Tally(done=13)
    assert others == [Tally(done=27)]


def test_a_stopped_worker_gives_back_the_jobs_that_have_not_started(client):
    client.set({jobid: {} for jobid in range(40)})
    worker = Worker(client, 0, lambda job: worker.stop() if job.jobid == 20 else None)
    assert worker.run() == Tally(done=21)
    progress = client.progress()
    assert (progress.done, progress.working, progress.available) == (21, 0, 19)


def test_a_second_stop_gives_the_running_job_back_and_the_rest_of_its_batch(client):
    client.set({jobid: {} for jobid in range(40)})

    def work(job):
        if job.jobid == 20:
            worker.stop()
            worker.stop()
            raise KeyError("of a job that was interrupted")

    worker = Worker(client, 0, work)
    tally = worker.run()
    assert (tally.done, tally.failed + tally.given_back) == (20, 1)
    assert client.progress().working == 0


def test_all_jobs_of_an_abandoned_claim_are_given_back(client):
    client.set({jobid: {} for jobid in range(9)})
    token = new_token()
    assert len(client.claim(token, 0, n=5)) == 5
    assert client.release(token, 0)
    progress = client.progress()
    assert (progress.working, progress.available) == (0, 9)


def test_waiting_jobs_of_a_batch_are_renewed(client, monkeypatch):
    """Eight jobs take a fifth of a second each, with a lease of 0.9 s. Done jobs are renewed until reported."""
    monkeypatch.setattr("client.worker.batch.SLOW_S", 60)
    client.set({jobid: {} for jobid in range(9)})
    attempts = []

    def work(job):
        attempts.append(job.attempt)
        time.sleep(0.2 if job.jobid else 0)

    assert Worker(client, 0, work, lease_s=0.9).run() == Tally(done=9)
    assert attempts == [1] * 9


def test_a_job_that_is_cancelled_before_its_turn_is_not_started(shared, client, job_row, monkeypatch):
    monkeypatch.setattr("client.worker.batch.SLOW_S", 60)
    client.set({jobid: {} for jobid in range(5)})
    started = []

    def work(job):
        started.append(job.jobid)
        if job.jobid == 1:
            assert shared.run("cancel", client.progress().name, "3").returncode == 0
            time.sleep(0.5)  # until a renewal shows that it is cancelled

    assert Worker(client, 0, work, lease_s=0.6).run() == Tally(done=4, cancelled=1)
    assert 3 not in started
    assert job_row(3)["error"] == "cancelled"


def test_failures_among_a_batch_are_given_back_each_with_its_error(client, job_row):
    client.lifetime(1, 0, max_attempts=1)
    client.set({jobid: {} for jobid in range(30)})

    def work(job):
        if job.jobid % 10 == 5:
            raise ValueError(f"of {job.jobid}")
        return {"of": job.jobid}

    assert Worker(client, 0, work).run() == Tally(done=27, failed=3)
    assert [job_row(jobid)["error"].partition(" (")[0] for jobid in (5, 15, 25)] == [
        "ValueError: of 5", "ValueError: of 15", "ValueError: of 25"
    ]  # fmt: skip
    assert job_row(29)["result"] == '{"of":29}'


def test_lost_responses_of_batches_do_not_make_a_job_done_twice(proxy, jobix):
    client = JobClient(proxy.url, jobix)
    client.set({jobid: {} for jobid in range(100)})
    proxy.lose_response("/update_jobs", times=3)
    seen = []
    assert Worker(client, 0, lambda job: seen.append(job.jobid)).run() == Tally(done=100)
    assert seen == list(range(100))


def test_reports_that_are_too_large_together_are_sent_separately(new_server, jobix):
    client = JobClient(new_server(max_body_mb="1").start().url, jobix)
    client.set({jobid: {} for jobid in range(9)})
    assert Worker(client, 0, lambda job: "x" * 300_000 if job.jobid else None).run() == Tally(done=9)
    assert client.progress().done == 9


def test_a_worker_whose_server_is_gone_shows_all_undelivered_reports(server, jobix):
    client = JobClient(server.url, jobix, retry_for_s=0.4)
    client.set({jobid: {} for jobid in range(9)})

    def work(job):
        if job.jobid == 8:
            server.kill()
        return job.jobid

    with pytest.raises(Undelivered, match=r'job 1 moves to stage 2 with {"result":1}; .*job 8 moves .*It is kept in '):
        Worker(client, 0, work).run()


@pytest.fixture
def nine_jobs(server, jobix, monkeypatch):
    """A client of a list of nine jobs, on a separate server. A slow job leaves its batch after 0.1 s."""
    monkeypatch.setattr("client.worker.batch.SLOW_S", 0.1)
    client = JobClient(server.url, jobix, retry_for_s=20)
    client.set({jobid: {} for jobid in range(9)})
    return client


def test_the_result_of_a_slow_job_is_delivered_after_a_failed_delivery(server, nine_jobs):
    """The server was unavailable for too long to report them; it is available again when the slow job ends."""
    nine_jobs.retry_for_s = 0.3

    def work(job):
        if job.jobid == 4:
            server.kill()
            time.sleep(2)
            server.start()

    with pytest.raises(Undelivered, match="job 1 moves to stage 2"):
        Worker(nine_jobs, 0, work).run()
    progress = nine_jobs.progress()
    assert (progress.done, progress.working) == (
        2,
        7,
    )  # 0 and 4; the others become available when their lifetime is over


def test_a_worker_waits_for_a_server_that_stops_during_a_slow_job(server, nine_jobs):
    """Reports that are pending during the slow job are delivered when the server is available again."""

    def work(job):
        if job.jobid == 4:
            server.kill()
            threading.Timer(0.5, server.start).start()
            time.sleep(0.3)

    assert Worker(nine_jobs, 0, work).run() == Tally(done=9)


def test_a_job_that_only_the_release_of_a_claim_has_claimed_is_not_held_without_a_lease(client, proxy, jobix, until):
    """The claim did not arrive before SIGTERM, and the worker is killed before it can give the job back."""
    client.set({1: {}})
    proxy.replace_response("/update_jobs", "503 Service Unavailable", times=50)
    assert not JobClient(proxy.url, jobix).release(new_token(), 0, lease_s=1.5)
    until(lambda: client.progress().available == 1)


def test_jobs_whose_claims_are_lost_before_they_start_do_not_end_the_worker(client, url, jobix, monkeypatch, until):
    """A suspended machine, for example: its jobs are lost, and others do them."""
    monkeypatch.setattr("client.worker.renewal.FIRST_OF_BATCH_S", 0.05)
    client.set({jobid: {} for jobid in range(40)})
    others = []

    def work(job):
        if job.jobid == 12 and not others:  # in the third claim, of jobs 9 and up
            operator = JobClient(url, jobix)
            operator.lifetime(1, 0.0001)
            until(lambda: operator.check_stages(1, 0).ok and operator.progress().working == 0)
            operator.lifetime(1, 0)
            others.append(Worker(operator, 0, lambda job: None, wait_s=0).run())
            job.stopped.wait(10)
            time.sleep(0.1)  # until the states of all claims are known

    tally = Worker(client, 0, work).run()
    assert (tally.done, tally.lost, others) == (9, 31, [Tally(done=31)])
    assert client.progress().done == 40
