"""A worker without other options stays until its stage can get no more jobs."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time

import pytest

from client import JobClient, Tally, Worker


def waits(process, text: str) -> None:
    """Reads the line that says what the worker waits for."""
    line = process.stderr.readline()
    assert line == f"no job available; waiting for {text}. Ctrl-C ends the worker\n"


def ended(process, within_s: float) -> tuple[int, str]:
    """The exit code and the rest of stderr."""
    began = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < within_s
    return process.returncode, err


@pytest.fixture
def two_stages(client):
    """A client of a list with two stages of work."""
    client.init([0, 10, 0, 10, 0])
    return client


def test_a_worker_waits_for_the_job_of_another_and_does_it_if_it_comes_back(client, terminal):
    client.set({1: {}})
    job = client.get(0)
    process = terminal.start("work", "0", "--", "true")
    waits(process, "1 job that other workers hold")
    client.update(job, 0)
    assert ended(process, 4) == (0, "1 done\n")
    assert client.progress().done == 1


def test_a_worker_ends_when_the_job_of_another_is_done(client, terminal):
    client.set({1: {}, 2: {}})
    jobs = client.get_many(0, 2)
    process = terminal.start("work", "0", "--until-done", "--", "true")
    waits(process, "2 jobs that other workers hold")
    for job in jobs:
        client.update(job, 2)
    assert ended(process, 4) == (0, "0 done\n")


def test_the_job_of_a_killed_worker_is_done_by_one_that_waits(client, terminal, until):
    client.set({1: {}})
    killed = terminal.start("work", "0", "--lease-s", "1", "--", "sleep", "60")
    until(lambda: client.progress().working == 1)
    process = terminal.start("work", "0", "--", "true")
    waits(process, "1 job that other workers hold")
    killed.kill()
    assert ended(process, 10) == (0, "1 done\n")


def test_a_worker_of_a_later_stage_may_start_first(two_stages, terminal):
    two_stages.set({1: {}, 2: {}})
    second = terminal.start("work", "2", "--", "true")
    waits(second, "2 jobs in earlier stages")
    first = terminal.start("work", "0", "--", "true")
    assert ended(first, 10) == (0, "2 done\n")
    assert ended(second, 10) == (0, "2 done\n")
    assert two_stages.progress().done == 2


def test_the_worker_of_a_stage_ends_although_later_stages_have_work(two_stages):
    two_stages.set({1: {}, 2: {"jobstage": 2}, 3: {"jobstage": 3}})
    assert Worker(two_stages, 0, lambda job: None).run() == Tally(done=1)


def test_a_worker_does_not_wait_for_flagged_and_failed_jobs(client):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}, 2: {}})

    def work(job):
        if job.jobid == 1:
            raise ValueError("bad")

    assert Worker(client, 0, work).run() == Tally(done=1, failed=1)


def test_a_worker_of_the_last_stage_is_warned(two_stages, terminal):
    two_stages.set({1: {}})
    code, _, err = terminal.run("work", "4", "--", "true")
    assert code == 0
    assert "no job can be claimed from stage 4: the jobs in the last stage of this list, 4, are done." in err
    assert "the last stage of this list, 4," in terminal.run("work", "6", "--", "true")[2]


def test_a_worker_of_an_empty_list_says_so(client, terminal):
    client.init([0, 10])
    code, _, err = terminal.run("work", "0", "--", "true")
    assert (code, err.splitlines()[0]) == (0, "the list has no jobs: add some, for example with `jm set`")


def test_a_worker_that_waits_ends_by_a_signal_at_once(client, terminal):
    client.set({1: {}})
    client.get(0)
    process = terminal.start("work", "0", "--", "true")
    waits(process, "1 job that other workers hold")
    process.send_signal(signal.SIGTERM)
    assert ended(process, 1.5) == (143, "stopping\n0 done\n")


def test_with_wait_s_0_a_worker_leaves_at_once(client, url, jobix):
    client.set({1: {}})
    client.get(0)
    began = time.monotonic()
    assert Worker(JobClient(url, jobix), 0, lambda job: None, wait_s=0).run() == Tally()
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "options",
    [["--until-done", "--forever"], ["--until-done", "--wait-s", "0"], ["--forever", "--wait-s", "3"]],
    ids=" ".join,
)
def test_the_ways_to_wait_exclude_each_other(run, options):
    code, _, err = run("work", "0", *options, "--", "true")
    assert code == 2
    assert "give only one of --until-done, --wait-s and --forever" in err


def test_wait_s_and_forever_of_a_worker_exclude_each_other(client):
    with pytest.raises(ValueError, match="wait_s or forever=True, not both"):
        Worker(client, 0, lambda job: None, wait_s=1, forever=True)


def test_a_worker_waits_while_the_list_is_paused(shared, client, terminal):
    client.set({1: {}})
    name = client.progress().name
    with contextlib.closing(sqlite3.connect(shared.folder / "instance" / "jobs.sqlite")) as database, database:
        database.execute("UPDATE job_list SET paused = 1 WHERE name = ?", (name,))
    process = terminal.start("work", "0", "--", "true")
    waits(process, "1 job in stage 0 with a delay, or in a paused list")
    process.send_signal(signal.SIGTERM)
    assert ended(process, 1.5) == (143, "stopping\n0 done\n")
