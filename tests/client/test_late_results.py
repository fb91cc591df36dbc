"""A worker that was stopped beyond its lease: its late result is reported, and the server decides about it."""

from __future__ import annotations

import json
import signal
import sqlite3
import time

import pytest

from tests.support.expire import expire
from tests.support.server import ApiClient

LEASE_S = "1.5"
FUNCTION_WORKER = """
import os
from client import JobClient, Worker
def work(job):
    open("runs", "w").close()
    job.stopped.wait(20)
    return "late"
client = JobClient(os.environ["JOBSERVER_URL"], int(os.environ["JOBSERVER_JOBIX"]), retry_for_s=3)
print(Worker(client, 0, work, wait_s=0, lease_s=1.5).run())
"""
BATCH_WORKER = """
import os
import time
from client import JobClient, Worker
def work(job):
    if job.jobid == 40:
        open("working", "w").close()
        while not os.path.exists("finish"):
            time.sleep(0.02)
client = JobClient(os.environ["JOBSERVER_URL"], int(os.environ["JOBSERVER_JOBIX"]), retry_for_s=3)
print(Worker(client, 0, work, wait_s=0, lease_s=0.9).run())
"""


@pytest.fixture
def start(terminal, until):
    """Starts a worker with a shell command, and returns when the command runs."""

    def start(command: str):
        process = terminal.start(
            "work",
            "0",
            "--wait-s",
            "0",
            "--lease-s",
            LEASE_S,
            "--json",
            "--",
            "sh",
            "-c",
            f"echo run >>runs; {command}",
        )
        until((terminal.folder / "runs").exists)
        return process

    return start


@pytest.fixture
def stop_beyond_the_lease(until, job_row):
    """Stops a worker until its claim of job 1 is lost."""

    def stop(process):
        process.send_signal(signal.SIGSTOP)
        until(lambda: job_row(1)["jobstage"] == 0)

    return stop


def counts(process) -> dict[str, int]:
    """The counts that a worker prints at its end."""
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def late_results(shared, client) -> list[tuple[int, str | None]]:
    """The jobs and results that the server kept for comparison."""
    with sqlite3.connect(shared.folder / "instance" / "jobs.sqlite") as database:
        query = """SELECT jobid, late_result.result FROM late_result JOIN job ON job.id = job_id
            JOIN job_list ON job_list.id = list_id WHERE job_list.name = ?"""
        return database.execute(query, (client.progress().name,)).fetchall()


def runs(terminal) -> int:
    """How often the command was started."""
    return (terminal.folder / "runs").read_text().count("run")


def test_a_result_that_was_finished_meanwhile_is_accepted(client, start, terminal, job_row, stop_beyond_the_lease):
    client.set({1: {}})
    worker = start("sleep 0.3")
    stop_beyond_the_lease(worker)
    worker.send_signal(signal.SIGCONT)
    tally = counts(worker)
    assert (tally["done"], tally["lost"], tally["failed"]) == (1, 0, 0)
    assert (job_row(1)["jobstage"], job_row(1)["failures"], runs(terminal)) == (2, 0, 1)


def test_a_result_is_kept_for_comparison_if_another_worker_has_claimed_the_job(
    client, shared, start, job_row, stop_beyond_the_lease
):
    client.set({1: {}})
    worker = start("sleep 0.3")
    stop_beyond_the_lease(worker)
    job = client.get(0)
    worker.send_signal(signal.SIGCONT)
    tally = counts(worker)
    assert (tally["done"], tally["lost"], tally["failed"]) == (0, 1, 0)
    assert (job_row(1)["claim"], job_row(1)["failures"]) == (job.claim, 1)  # the failure of the lost claim
    assert late_results(shared, client) == [(1, None)]
    client.update(job, 2)


def test_a_running_command_continues_if_nobody_has_claimed_its_job(
    client, start, terminal, job_row, stop_beyond_the_lease, until
):
    client.set({1: {}})
    worker = start("while ! test -e finish; do sleep 0.1; done")
    stop_beyond_the_lease(worker)
    worker.send_signal(signal.SIGCONT)
    time.sleep(1)  # some heartbeats
    assert worker.poll() is None
    (terminal.folder / "finish").touch()
    tally = counts(worker)
    assert (tally["done"], tally["lost"]) == (1, 0)
    assert (job_row(1)["jobstage"], runs(terminal)) == (2, 1)


def test_a_running_command_is_stopped_when_another_worker_claims_its_job(
    client, shared, start, terminal, stop_beyond_the_lease
):
    client.set({1: {}})
    worker = start("sleep 100")
    stop_beyond_the_lease(worker)
    worker.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    assert worker.poll() is None
    client.get(0)
    tally = counts(worker)
    assert (tally["done"], tally["lost"], tally["failed"]) == (0, 1, 0)
    assert (late_results(shared, client), runs(terminal)) == ([], 1)


def test_the_result_of_a_function_that_was_stopped_is_kept_for_comparison(
    client, shared, terminal, stop_beyond_the_lease, until
):
    client.set({1: {}})
    worker = terminal.start_python("-c", FUNCTION_WORKER)
    until((terminal.folder / "runs").exists)
    stop_beyond_the_lease(worker)
    client.get(0)
    worker.send_signal(signal.SIGCONT)
    out, err = worker.communicate(timeout=20)
    assert "done=0, failed=0, given_back=0, lost=1" in out, err
    assert late_results(shared, client) == [(1, '"late"')]


def test_a_job_that_was_lost_before_it_started_is_done_later(client, shared, jobix, terminal, until):
    client.set({jobid: {} for jobid in range(100)})
    worker = terminal.start_python("-c", BATCH_WORKER)
    until((terminal.folder / "working").exists)
    time.sleep(0.4)  # the first heartbeat waits
    expire(shared, ApiClient(shared.url, jobix), 41)
    client.check_stages()
    time.sleep(0.2)
    (terminal.folder / "finish").touch()
    out, err = worker.communicate(timeout=20)
    assert (worker.returncode, "Traceback" in err) == (0, False), err
    assert client.progress().done == 100
    assert "lost=1" in out
