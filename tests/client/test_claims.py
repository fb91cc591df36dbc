"""Claims during the work: renewal, loss, cancellation, undelivered reports."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from client import Job, JobClient, Tally, Undelivered, Worker


def counts(client) -> tuple[int, int, int]:
    """The numbers of available, working and done jobs."""
    progress = client.progress()
    return progress.available, progress.working, progress.done


def test_a_claim_is_renewed_while_the_work_runs_longer_than_its_lease(client):
    client.set({1: {}})

    def work(job):
        time.sleep(1.2)

    assert Worker(client, 0, work, lease_s=0.6).run() == Tally(done=1)
    assert counts(client) == (0, 0, 1)


def test_renewals_come_at_a_third_of_the_lease(proxy, jobix):
    client = JobClient(proxy.url, jobix)
    client.set({1: {}})
    Worker(client, 0, lambda job: time.sleep(1.05), lease_s=0.9).run()
    assert proxy.count("/heartbeat") == 3


def test_a_lost_claim_stops_the_function_and_its_result_is_not_accepted(client, proxy, jobix, job_row, take_back):
    client.init([0, 10])
    client.set({1: {}})
    attempts = []

    def work(job):
        attempts.append(job.attempt)
        if len(attempts) == 1:
            take_back()
            assert job.stopped.wait(5)
            return "stale"
        return "fresh"

    assert Worker(JobClient(proxy.url, jobix), 0, work, lease_s=1.5).run() == Tally(done=1, lost=1)
    assert job_row(1)["result"] == '"fresh"'
    assert proxy.count("/update_jobs") == 2  # the server keeps the late result for comparison


def test_the_result_of_a_lost_claim_is_dropped_and_the_worker_continues(client, job_row, take_back):
    client.init([0, 10])
    client.set({1: {}})
    stale = [True]

    def work(job):
        if stale.pop():
            take_back()
            stale.append(False)
            return "stale"
        return "fresh"

    assert Worker(client, 0, work).run() == Tally(done=1, lost=1)
    assert job_row(1)["result"] == '"fresh"'


def test_two_threads_that_read_stopped_at_once_get_the_same_event():
    def read_stopped(job, together, events):
        together.wait()
        events.append(job.stopped)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            job, together, events = Job(1, None, 0, 1, "claim", 1, None), threading.Barrier(2), []
            threads = [threading.Thread(target=read_stopped, args=(job, together, events)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert events[0] is events[1] is job.stopped
    finally:
        sys.setswitchinterval(interval)


def test_a_cancelled_job_is_stopped_and_given_back_as_cancelled(shared, client, job_row):
    client.init([0, 10])  # the lease, not the lifetime, makes the worker renew often
    client.set({1: {}, 2: {}})

    def work(job):
        if job.jobid == 1:
            assert shared.run("cancel", client.progress().name, "1").returncode == 0
            assert job.stopped.wait(5)

    assert Worker(client, 0, work, lease_s=0.6).run() == Tally(done=1, cancelled=1)
    assert job_row(1)["error"] == "cancelled"


def test_a_lost_response_does_not_make_a_worker_do_a_job_twice(proxy, jobix):
    client = JobClient(proxy.url, jobix)
    client.set({jobid: {} for jobid in range(6)})
    proxy.lose_response("/get/0")
    proxy.lose_response("/update_jobs", times=2)
    seen = []
    assert Worker(client, 0, lambda job: seen.append(job.jobid)).run() == Tally(done=6)
    assert seen == list(range(6))


def test_a_worker_uses_its_working_stage(client):
    client.set({1: {}, 2: {}})
    stages = []

    def work(job):
        stages.append(client.progress().stages[3].jobs)

    assert Worker(client, 0, work, working_stage=3).run() == Tally(done=2)
    assert stages == [1, 1]
    assert client.progress().stages[4].jobs == 2


def test_a_worker_whose_server_is_gone_shows_the_undelivered_report(server, jobix):
    client = JobClient(server.url, jobix, retry_for_s=0.4)
    client.set({7: {}})

    def work(job):
        server.kill()
        return {"chi2": 1.25}

    with pytest.raises(Undelivered, match=r'job 7 moves to stage 2 with \{"result":\{"chi2":1.25\}\}'):
        Worker(client, 0, work).run()


def test_a_result_survives_a_restart_of_the_server(server, jobix):
    client = JobClient(server.url, jobix, retry_for_s=20)
    client.init([0, 10])
    client.set({1: {}})

    def work(job):
        server.kill()
        threading.Timer(0.2, server.start).start()

    assert Worker(client, 0, work).run() == Tally(done=1)


def test_two_workers_never_hold_the_same_job(client, url, jobix):
    client.set({1: {}})
    seen = []

    def work(job):
        seen.append(Worker(JobClient(url, jobix), 0, lambda job: None, wait_s=0).run())

    Worker(client, 0, work).run()
    assert seen == [Tally()]
