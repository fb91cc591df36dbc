"""A worker whose command always fails does not fail the whole list."""

from __future__ import annotations

import logging

import pytest

from client import AllFailed, Tally, Worker
from client.worker.failure_guard import FAILURES


def test_a_typo_in_a_command_does_not_fail_the_whole_list(terminal, client):
    client.set({jobid: {} for jobid in range(20)})
    code, _, err = terminal.run("work", "0", "--", "sh", "-c", "echo mistyped >&2; exit 2")
    assert code == 1
    assert "job 0 failed (attempt 1), will be retried: exit code 2: mistyped\n" in err
    assert "job 0 failed permanently: exit code 2: mistyped\n" in err
    hint, error = err.splitlines()[-2:]
    assert hint.startswith("1 failed: `")
    assert hint.endswith(" check 1 0` retries them")
    assert error.startswith(
        "error: stopped after 6 failures without a job done. The last, of job 1: exit code 2: mistyped. Fix"
    )
    assert err.count("check 1 0") == 1
    progress = client.progress()
    assert (progress.failed, progress.available, progress.working) == (1, 19, 0)


def test_a_worker_that_has_done_a_job_continues_after_failures(client):
    client.lifetime(1, 0, max_attempts=1)
    client.set({jobid: {} for jobid in range(20)})

    def work(job):
        if job.jobid:
            raise ValueError("bad")

    assert Worker(client, 0, work).run() == Tally(done=1, failed=19)


def test_a_bad_first_job_does_not_end_the_only_worker(client):
    client.set({jobid: {} for jobid in range(20)})

    def work(job):
        if job.jobid == 0:
            raise ValueError("bad")

    assert Worker(client, 0, work).run() == Tally(done=19, failed=FAILURES)
    assert client.progress().failed == 1


def test_each_run_of_a_worker_counts_from_zero(client):
    client.lifetime(1, 0, max_attempts=FAILURES - 1)

    def work(job):
        raise ValueError("bad")

    worker = Worker(client, 0, work)
    for jobid in (1, 2):
        client.set({jobid: {}})
        assert worker.run() == Tally(failed=FAILURES - 1)


def test_a_worker_that_stops_after_failures_leaves_no_claims(client):
    client.lifetime(1, 0, max_attempts=0)
    client.set({1: {}, 2: {}})
    with pytest.raises(AllFailed, match="of job 1: TypeError"):
        Worker(client, 0, lambda job: job + 1).run()
    assert (client.progress().available, client.progress().working) == (2, 0)
    assert Worker(client, 0, lambda job: None).run() == Tally(done=2)


def test_cancelled_jobs_do_not_count_as_failures(shared, client, caplog):
    caplog.set_level(logging.ERROR)
    client.set({jobid: {} for jobid in range(FAILURES + 1)})
    name = client.progress().name

    def work(job):
        if job.jobid < FAILURES:
            shared.run("cancel", name, str(job.jobid))
            assert job.stopped.wait(5)

    assert Worker(client, 0, work, lease_s=0.6).run() == Tally(done=1, cancelled=FAILURES)
