"""Many concurrent workers in every mode: each job is claimed once, and a locked database delays no other request."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.background_client import PROMPT_S, BackgroundClient
from tests.support.locks import locked
from tests.support.racing_team import Team, all_of
from tests.support.server import ApiClient
from tests.support.snapshot import jobs

CHANGES = [
    ("/init/0/10", None), ("/set", {"7": {}}), ("/set", {str(i): {"jobcmd": "x" * 80_000} for i in range(10, 20)}),
    ("/get/0", None), ("/update_job/1/2", None), ("/update_jobs", [{"jobid": 2, "jobstage": 2}]),
    ("/check_stages/1/0", None), ("/lifetime/1/5", None), ("/heartbeat", [{"jobid": 1, "claim": "c" * 32}]),
]  # fmt: skip
both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"], scope="session")


@both
def test_eight_founding_workers_complete_each_job_once(shared, api, jobix, kind):
    n = 400 if kind == "sqlite" else 150
    api("/set", {str(jobid): {} for jobid in range(n)})
    with Team(jobix, [("founding", shared.url)] * 8) as team:
        team.start()
        results = team.finish(60)
    assert sorted(all_of(results, "claimed")) == sorted(all_of(results, "done")) == list(range(n))
    assert sum(bool(result["done"]) for result in results) > 1, "only one worker did jobs"
    stored = jobs(shared, api("/get").json()["list"])
    assert {row["jobstage"] for row in stored.values()} == {2}
    assert {row["attempt"] for row in stored.values()} <= {0, 1}


@both
@pytest.mark.parametrize("first", ["/get/0", "/lifetime/1/5"], ids=["short", "bulk"])
def test_a_locked_database_does_not_delay_the_hello(shared, api, jobix, kind, first):
    """An event loop that waits for the lock cannot serve any request until the lock is released. Short work starts on
    the loop and bulk work in a thread; later work is queued."""
    api("/set", {"1": {}, "2": {}, "3": {}})
    api("/get/0?n=2")
    longest_s, began = 0.0, time.monotonic()
    with ThreadPoolExecutor(len(CHANGES)) as pool:
        with locked(shared):
            head = BackgroundClient(shared.url, jobix).send(first)
            waiting = [pool.submit(ApiClient(shared.url, jobix), path, body) for path, body in CHANGES]
            asked_at = began
            while asked_at - began < 0.5:
                assert api("/").status_code == 200
                if kind == "sqlite":  # readers do not wait for the writer
                    assert api("/get").json()["jobs"] == 3
                now = time.monotonic()
                longest_s, asked_at = max(longest_s, now - asked_at), now
            assert not head.done()
            assert not [path for (path, _), change in zip(CHANGES, waiting, strict=True) if change.done()]
        assert [change.result().status_code for change in waiting] == [200] * len(CHANGES)
    assert "error" not in head.result(PROMPT_S)
    assert longest_s < 2
    assert api("/get").json()["jobs"] == 14


def test_many_first_connections_do_not_hang_a_server_on_postgresql(new_server, mode, new_postgresql_database):
    """Under an event loop, real threads that wait for a green lock never get it. So connecting must not use one."""
    server = new_server(async_mode=mode, database_uri=new_postgresql_database).start()
    together = threading.Barrier(40)

    def first(number: int) -> int:
        api = ApiClient(server.url, number % 20)
        path, body = [("/get", None), ("/set", {"1": {}}), ("/get/0", None), ("/lifetime", None)][number % 4]
        together.wait(20)
        return api.session.request(
            "POST" if body else "GET", server.url + path, json=body, headers={"jobix": str(api.jobix)}, timeout=20
        ).status_code

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(first, range(40))) == [200] * 40
    assert ApiClient(server.url, 1)("/get").json()["jobs"] == 1
