"""Worker with a Python function, against a real server."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest
import requests

from client import BadRequest, BadTemplate, Done, JobClient, Tally, Worker


def counts(client) -> tuple[int, int, int]:
    """The numbers of available, working and done jobs."""
    progress = client.progress()
    return progress.available, progress.working, progress.done


def test_all_jobs_get_done_and_the_worker_ends_when_none_is_left(client):
    client.set({jobid: {"jobcmd": jobid} for jobid in range(20)})
    seen = []
    assert Worker(client, 0, lambda job: seen.append(job.jobcmd)).run() == Tally(done=20)
    assert seen == list(range(20))
    assert counts(client) == (0, 0, 20)


def test_the_return_value_is_stored_with_the_job(client, job_row):
    client.set({jobid: {"jobcmd": {"file": f"{jobid}.fits"}} for jobid in range(4)})
    results = [None, {"chi2": [1.5, None]}, Done(result=0, filename="out/2.npy", jobcmd="next"), Done()]
    Worker(client, 0, lambda job: results[job.jobid], filename="all/{jobcmd[file]}.out").run()
    assert [job_row(jobid)["result"] for jobid in range(4)] == [None, '{"chi2":[1.5,null]}', "0", None]
    assert [job_row(jobid)["filename"] for jobid in range(3)] == ["all/0.fits.out", "all/1.fits.out", "out/2.npy"]
    assert client.get(2).jobcmd == {"file": "0.fits"}
    assert json.loads(job_row(2)["jobcmd"]) == "next"


def test_a_job_whose_function_raises_is_given_back_with_the_message(client, job_row):
    client.set({1: {"priority": 1}, 2: {}})

    def work(job):
        if job.jobid == 1 and job.attempt == 1:
            raise TypeError("no such thing \x00 as \udcff" + "!" * 9999)

    assert Worker(client, 0, work).run() == Tally(done=2, failed=1)
    assert job_row(1)["jobstage"] == 2


def test_the_stored_message_names_the_error_and_its_line(client, job_row):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}})

    def broken(job):
        raise TypeError("no such thing")

    assert Worker(client, 0, broken).run() == Tally(failed=1)
    line = broken.__code__.co_firstlineno + 1
    assert job_row(1)["error"] == f"TypeError: no such thing (test_worker.py, line {line})"
    assert client.progress().failed == 1


def test_an_error_from_deep_in_a_library_names_the_line_that_called_it(client, job_row):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}, 2: {}})

    def broken(job):
        return json.loads("[") if job.jobid == 1 else requests.get("nowhere")

    assert Worker(client, 0, broken).run() == Tally(failed=2)
    origin = f"(test_worker.py, line {broken.__code__.co_firstlineno + 1})"
    assert job_row(1)["error"] == f"json.decoder.JSONDecodeError: Expecting value: line 1 column 2 (char 1) {origin}"
    assert job_row(2)["error"].endswith(origin)


def test_a_function_that_calls_sys_exit_does_not_end_the_worker(client):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}, 2: {}})
    assert Worker(client, 0, lambda job: sys.exit(3)).run() == Tally(failed=2)


class Array:
    """A value that is not JSON, like a numpy array."""


@pytest.mark.parametrize("value", [float("nan"), Array(), {1, 2}, Done(jobcmd=float("inf")), "recursive"])
def test_a_result_that_is_not_json_is_an_error_of_the_job(client, job_row, value):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}, 2: {}})
    if value == "recursive":
        value = []
        value.append(value)
    assert Worker(client, 0, lambda job: value if job.jobid == 1 else None).run() == Tally(done=1, failed=1)
    assert "is not JSON" in job_row(1)["error"]


def test_a_report_that_the_server_refuses_is_an_error_of_the_job(client, job_row):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}, 2: {}})
    assert Worker(client, 0, lambda job: Done(filename="x" * 5000) if job.jobid == 1 else None).run() == Tally(
        done=1, failed=1
    )
    assert "filename is longer" in job_row(1)["error"]


def test_a_waiting_worker_takes_a_new_job_and_then_ends(client):
    client.init()
    threading.Timer(0.3, lambda: client.set({1: {}})).start()
    assert Worker(client, 0, lambda job: None, wait_s=0.8).run() == Tally(done=1)


def test_a_worker_with_forever_continues_without_jobs_until_it_is_stopped(client, until):
    client.init()
    tallies = []
    worker = Worker(client, 0, lambda job: None, forever=True)
    thread = threading.Thread(target=lambda: tallies.append(worker.run()))
    thread.start()
    time.sleep(0.5)
    client.set({1: {}})
    until(lambda: client.progress().done == 1)
    worker.stop()
    thread.join(2)
    assert tallies == [Tally(done=1)]


def test_a_worker_of_an_odd_stage_is_refused(client):
    client.set({1: {}})
    with pytest.raises(BadRequest):
        Worker(client, 1, lambda job: None).run()
    with pytest.raises(ValueError, match="wait_s"):
        Worker(client, 0, lambda job: None, wait_s=61)
    with pytest.raises(BadTemplate):
        Worker(client, 0, lambda job: None, filename="{jobcmd.__class__}")


def test_an_error_message_of_the_work_is_sent_without_the_secret_key(client, jobix, job_row):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}})

    def work(job):
        raise RuntimeError(f"JOBSERVER_JOBIX={jobix}")

    Worker(client, 0, work).run()
    assert str(jobix) not in job_row(1)["error"]


def test_a_worker_waits_for_wait_s_if_the_server_does_not(new_server, jobix):
    client = JobClient(new_server(max_waiting="0").start().url, jobix)
    client.set({})
    began = time.monotonic()
    later = threading.Timer(0.5, lambda: client.with_options().set({1: {}}))
    later.start()
    assert Worker(client, 0, lambda job: None, wait_s=2).run().done == 1
    assert 2 <= time.monotonic() - began < 10
    assert Worker(client, 0, lambda job: None).run().done == 0
