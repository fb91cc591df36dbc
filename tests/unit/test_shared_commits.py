"""Claims and reports of several requests that share a commit."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobserver import create_app
from jobserver.api.founding.submission import Submission
from jobserver.core.claims import ClaimRequest, Report
from jobserver.core.settings import Settings
from jobserver.store.group_commit import CommitQueue
from jobserver.store.transaction import Transaction
from jobserver.web.services import NAME, Services
from tests.support.queue_harness import GIVE_UP_S
from tests.support.until import until


@contextmanager
def services_with_jobs(folder: Path, database_uri: str, jobs: int) -> Iterator[Services]:
    """A server's parts, with a list of this many jobs."""
    services: Services = create_app(Settings(instance=str(folder), database_uri=database_uri)).extensions[NAME]
    body = json.dumps({jobid: {"jobcmd": 1} for jobid in range(jobs)}).encode()
    services.lists.submit(1, Submission(io.BytesIO(body)))
    with closing(services.commit_queue):
        yield services


def in_one_commit(queue: CommitQueue, *calls: Callable[[], Any]) -> "list[Future[Any]]":
    """Makes these calls while the queue is busy, in this order, so that they share the next commit."""
    busy, go = threading.Event(), threading.Event()

    def block(_tx: Transaction) -> None:
        busy.set()
        assert go.wait(GIVE_UP_S)

    with ThreadPoolExecutor(len(calls) + 1) as pool:
        pool.submit(queue.run, block, True)
        assert busy.wait(GIVE_UP_S)
        futures = []
        for call in calls:
            futures.append(pool.submit(call))
            until(lambda: len(queue._waiting) == len(futures), within_s=GIVE_UP_S, pause_s=0.0005)
        go.set()
        return futures


def test_completions_that_share_a_commit_publish_all_their_events(database_uri: str, tmp_path: Path) -> None:
    published: list[str] = []
    with services_with_jobs(tmp_path, database_uri, 8) as services:
        job_list = services.keys.find(1)
        assert job_list
        claimed = services.claims.claim(job_list, ClaimRequest(0, 1, 8))
        queue = services.commit_queue
        queue._publish = lambda events: published.extend(f"{event.kind.value} {event.jobs}" for event in events)
        reports = [Report(job.jobid, 2, job.token) for job in claimed]
        done = in_one_commit(queue, *[partial(services.claims.complete, job_list, report, None) for report in reports])
        assert [future.result(GIVE_UP_S)[0].stage for future in done] == [2] * 8
    assert published == ["completed 8"]


def stored_claims(services: Services) -> list[tuple[Any, ...]]:
    """The jobid, token and worker of each claimed job."""
    return services.database.read("SELECT jobid, claim, worker FROM job WHERE claim IS NOT NULL ORDER BY jobid")


@pytest.mark.parametrize("fails", [False, True], ids=["", "each runs alone"])
def test_claims_that_share_a_commit_take_one_job_each(database_uri: str, tmp_path: Path, fails: bool) -> None:
    names = ["a:1", None, "b:1", "b:1", None, "c:1"]
    with services_with_jobs(tmp_path, database_uri, 20) as services:
        job_list = services.keys.find(1)
        assert job_list
        held = services.claims.claim(job_list, ClaimRequest(0, 1, 3))
        reports = [Report(job.jobid, 2, job.token) for job in held]
        calls = [
            *[partial(services.claims.claim, job_list, ClaimRequest(0, 1, worker=name)) for name in names],
            *[
                partial(services.claims.complete, job_list, report, ClaimRequest(0, 1, worker="d:1"))
                for report in reports
            ],
        ]
        if fails:  # after a change: the shared transaction is undone
            calls.append(partial(services.commit_queue.run, change_and_fail))
        futures = in_one_commit(services.commit_queue, *calls)
        claimed = [future.result(GIVE_UP_S) for future in futures[:9]]
        jobs = [*claimed[:6], *(following for _completion, following in claimed[6:])]
        assert [len(one) for one in jobs] == [1] * 9
        assert sorted(
            (one[0].jobid, one[0].token, name) for one, name in zip(jobs, [*names, *["d:1"] * 3], strict=True)
        ) == (stored_claims(services))
        assert sorted(one[0].jobid for one in jobs) == list(range(3, 12))
        events = services.database.read("SELECT job_id, worker FROM event WHERE kind = 'claimed' AND job_id > 3")
        assert len(events) == len(set(events)) == 9
        counts = services.database.read("SELECT stage, jobs FROM stage_count ORDER BY stage")
        assert counts == [(0, 8), (1, 9), (2, 3)]


def change_and_fail(tx: Transaction) -> None:
    """Changes a row, then fails."""
    tx.run("UPDATE job_list SET name = 'other'")
    raise ValueError("a fault")


def test_more_claims_than_jobs_in_one_commit(database_uri: str, tmp_path: Path) -> None:
    with services_with_jobs(tmp_path, database_uri, 3) as services:
        job_list = services.keys.find(1)
        assert job_list
        claim = partial(services.claims.claim, job_list, ClaimRequest(0, 1))
        claimed = [future.result(GIVE_UP_S) for future in in_one_commit(services.commit_queue, *[claim] * 5)]
        assert sorted(job.jobid for jobs in claimed for job in jobs) == [0, 1, 2]
        assert [(job.jobid, job.token) for job in sorted(job for jobs in claimed for job in jobs)] == [
            (jobid, token) for jobid, token, _worker in stored_claims(services)
        ]
