"""Load behind a real Apache: no job is lost or done twice, no worker starves, and restarts do no harm."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from client import JobClient, Worker
from tests.support.apache.pages import Pages
from tests.support.apache.server import START_S, Apache
from tests.support.racing_team import Team, all_of, pace
from tests.support.server import ApiClient
from tests.support.until import until

JOBS = 5_000
ENDED = "SELECT COUNT(*), COUNT(DISTINCT job_id) FROM event WHERE claim IS NOT NULL"
STYLES = ("proving", "choosing", "founding", "proving", "choosing", "proving", "batches", "proving") * 2
THREADS = 5  # of deploy/apache/*.conf


def database(apache: Apache) -> "contextlib.closing[sqlite3.Connection]":
    """A connection to the database of this Apache."""
    return contextlib.closing(sqlite3.connect(apache.folder / "data/jobs.sqlite", timeout=20))


def test_16_workers_drain_5000_jobs_while_50_pages_are_open(apache, jobix):
    """No request takes longer than a second, no job is lost or done twice, and the pages show the final state."""
    master = ApiClient(apache.url, jobix)
    assert master("/init/0/10?name=drained").status_code == 200
    assert master("/set", {str(jobid): {"jobcmd": f"work {jobid}"} for jobid in range(JOBS)}).json()["new"] == JOBS
    end = {"done": JOBS, "working": 0, "percent": 100}
    with Pages(apache.port, "drained", 50) as pages, \
            Team(jobix, [(style, apache.url) for style in STYLES]) as team:  # fmt: skip
        team.start()
        results = team.finish(100)
        numbers = pages.numbers(end)
    assert pages.uses_websockets == (apache.conf == "full")
    assert sorted(all_of(results, "claimed")) == list(range(JOBS))
    assert sorted(all_of(results, "done")) == list(range(JOBS))
    assert max(result["longest_s"] for result in results) < 1
    assert [{name: page[name] for name in end} for page in numbers] == [end] * 50
    assert pages.responses.keys() <= {200, 304}
    with database(apache) as connection:
        assert connection.execute("SELECT jobstage, COUNT(*), MAX(overdue) FROM job GROUP BY 1").fetchall() == [
            (2, JOBS, 0)
        ]
        assert connection.execute(ENDED).fetchall() == [(JOBS, JOBS)]
    print(f"{apache.conf}: {pace(results)}; pages {pages.responses}, the longest {pages.longest_s:.3f} s")


def test_long_polls_leave_threads_for_other_requests(plain, jobix):
    """16 long polls of a minute on 5 threads: other requests are served, and a new job wakes a long poll at once."""
    api = ApiClient(plain.url, jobix)
    api("/set", {})
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(lambda: ApiClient(plain.url, jobix)("/get/0?wait=60").json()) for _ in range(16)]
        until(lambda: sum(future.done() for future in waiting) == 16 - THREADS // 2)
        for _ in range(20):
            start_s = time.perf_counter()
            assert ApiClient(plain.url, jobix)("/get").json()["jobs"] == 0
            assert time.perf_counter() - start_s < 1
        assert sum(future.done() for future in waiting) == 16 - THREADS // 2
        api("/set", {str(jobid): {} for jobid in range(THREADS // 2)})
        claimed = [future.result(5) for future in waiting]
    assert sorted(job["jobid"] for job in claimed if job != "nada") == list(range(THREADS // 2))


def test_workers_that_always_long_poll_get_every_new_job(plain, jobix):
    """There are more workers than the limit of long polls."""
    master = JobClient(plain.url, jobix)
    master.set({})
    workers = [Worker(master.with_options(), 0, lambda job: job.jobid, forever=True) for _ in range(8)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    for first in (0, 50):
        master.set({jobid: {} for jobid in range(first, first + 50)})
        until(partial(lambda wanted: master.progress().done == wanted, first + 50))
    for worker in workers:
        worker.stop()
    for thread in threads:
        thread.join(30)
    assert master.progress().working == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_restarts_and_kills_under_load_lose_nothing(start, jobix, processes):
    """`apachectl graceful`, and SIGKILL for the leader, while eight workers work and one waits."""
    several = {"threads=5": f"threads=5 processes={processes}"}
    with start("plain", several) as apache, contextlib.ExitStack() as at_the_end:
        master, jobs = JobClient(apache.url, jobix), 600
        master.init([0, 10])
        master.set({jobid: {} for jobid in range(jobs)})
        done: list[int] = []

        def work(job):
            time.sleep(0.02)  # keeps the load running during the restarts
            done.append(job.jobid)

        workers = [Worker(master.with_options(), 0, work) for _ in range(8)]
        workers.append(Worker(master.with_options(), 2, lambda job: None, forever=True))
        threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
        for worker, thread in zip(workers, threads, strict=True):
            at_the_end.callback(worker.stop)
            thread.start()
        restart = [apache.restart] if processes == 1 else []
        for number, disturbance in enumerate([*restart, lambda: kill_one(apache), *restart], 1):
            until(partial(lambda jobs: len(done) > jobs, 120 * number), apache.log_text, START_S)
            before = apache.daemons()
            disturbance()
            until(partial(lambda known: set(apache.daemons()) - set(known), before), apache.log_text, START_S)
        for thread in threads[:-1]:
            thread.join(60)
        workers[-1].stop()
        threads[-1].join(60)
        assert sorted(done) == list(range(jobs))
        progress = master.progress()
        assert (progress.done, progress.working, progress.flagged) == (jobs, 0, 0)
        with database(apache) as connection:
            assert connection.execute(ENDED).fetchall() == [(jobs, jobs)]
        until(lambda: len(apache.daemons()) == processes, apache.log_text, START_S)
        assert len(sweeping(apache, apache.daemons())) == 1


def kill_one(apache: Apache) -> None:
    """Kills the leader process with SIGKILL."""
    os.kill(sweeping(apache, apache.daemons())[0], signal.SIGKILL)


def sweeping(apache: Apache, daemons: list[int]) -> list[int]:
    """The processes that hold the leader lock."""
    file = apache.folder / "data/jobs.sqlite-sweeper"
    until(file.exists)
    inode = file.stat().st_ino
    until(lambda: holders(inode, daemons))
    return holders(inode, daemons)


def holders(inode: int, daemons: list[int]) -> list[int]:
    """The processes that hold a lock on this file, from the kernel's list."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" not in line]
    return [int(line[4]) for line in lines if line[5].endswith(f":{inode}") and int(line[4]) in daemons]
