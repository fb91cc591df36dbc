"""Fifty workers compute while the server is away for two lifetimes: no job is computed twice, and no result is lost."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from client import JobClient, ServerUnreachable, Undelivered, Worker
from client.worker.outbox import folder, list_set_aside
from tests.support.snapshot import rows
from tests.support.until import until

WORKERS = 50
JOBS = 100
LIFETIME_S = 5.0
LEASES_S = (2.0, 120.0)  # one is shorter than the outage; the lifetime is shorter than the other
RETRIES_S = (3.0, 300.0, 300.0, 300.0, 300.0)  # a fifth of the workers give up during the outage, and are started again
WORK_S = 0.5  # after the server was killed
WITHIN_S = 45
RESULTS = "SELECT jobid, result FROM job WHERE jobstage = 2"
ENDS = "SELECT DISTINCT kind FROM event WHERE job_id IS NOT NULL"


class Executions:
    """A file with the id of each job whose computation has started."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._path = path

    def add(self, jobid: int) -> None:
        """Adds one."""
        os.write(self._file, f"{jobid}\n".encode())

    def jobids(self) -> list[int]:
        """All of them, sorted."""
        return sorted(int(line) for line in self._path.read_text().split())


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outbox of this test alone."""
    monkeypatch.setenv("JM_OUTBOX", str(tmp_path / "outbox"))


@pytest.mark.usefixtures("outbox")
def test_fifty_workers_lose_nothing_and_repeat_nothing(server, jobix, tmp_path):
    client = JobClient(server.url, jobix)
    client.init([0, LIFETIME_S / 60])
    client.set({jobid: {} for jobid in range(JOBS)})
    executions, is_away, restarts = Executions(tmp_path / "executions"), threading.Event(), []

    def compute(job):
        executions.add(job.jobid)
        is_away.wait(LIFETIME_S)
        time.sleep(WORK_S)
        return {"job": job.jobid}

    def work(number: int) -> int:
        done = 0
        while True:
            one = JobClient(server.url, jobix, worker=f"node{number}:1", retry_for_s=RETRIES_S[number % len(RETRIES_S)])
            try:
                return done + Worker(one, 0, compute, wait_s=1, lease_s=LEASES_S[number % 2]).run().done
            except (ServerUnreachable, Undelivered):
                restarts.append(number)

    with ThreadPoolExecutor(WORKERS) as pool:
        workers = [pool.submit(work, number) for number in range(WORKERS)]
        until(lambda: len(executions.jobids()) == WORKERS)
        server.kill()
        is_away.set()
        time.sleep(2 * LIFETIME_S)
        server.start()
        until(lambda: client.progress().done == JOBS, lambda: str(client.progress()), within_s=WITHIN_S)
        for worker in workers:
            worker.result(WITHIN_S)
    assert executions.jobids() == list(range(JOBS))
    assert {jobid: json.loads(result)["job"] for jobid, result in rows(server, RESULTS)} == {n: n for n in range(JOBS)}
    assert set(rows(server, ENDS)) == {("claimed",), ("completed",)}
    assert list_set_aside(client.list_key) == []
    assert list(Path(folder(client.list_key)).glob("*.jsonl")) == []
    assert restarts
