"""A request of a host that is set aside waits: the jobs that it does not get do not wake it."""

import sys
from pathlib import Path
from typing import Any

from werkzeug.test import Client

from jobserver import create_app
from jobserver.core.settings import Settings

BAD, GOOD = "node0:1", ("node1:1", "node2:1", "node3:1")
WAIT_S = 2
JOBS_S = 0.25  # so often waiting requests look for jobs of other server processes


def call(client: Client, path: str, body: object = None, **headers: str) -> Any:
    """One request; its response."""
    method = "GET" if body is None else "POST"
    response = client.open(path, method=method, json=body, headers={"jobix": "4711"} | headers)
    assert response.status_code == 200, response.text
    return response.get_json()


def with_bad_host(folder: Path) -> Client:
    """An application with many jobs, and a host that is set aside."""
    client = Client(create_app(Settings(instance=str(folder))).wsgi_app)
    call(client, "/init/0/10/0")
    call(client, "/rules/1", {"set_aside": True})
    call(client, "/set", {str(jobid): {} for jobid in range(20)})
    for worker in (*GOOD, BAD):
        jobs = call(client, "/get/0?n=3", worker=worker)
        for job in jobs:
            end = {"error": "no disk"} if worker == BAD else {}
            call(client, f"/update_job/{job['jobid']}/{0 if end else 2}", end, claim=job["claim"])
    assert call(client, "/get/0", worker=BAD) == "nada"
    return client


def test_a_host_that_is_set_aside_queries_for_jobs_only_a_few_times(tmp_path: Path) -> None:
    client = with_bad_host(tmp_path)
    calls = 0

    def note(frame: Any, event: str, _argument: object) -> None:
        nonlocal calls
        code = frame.f_code
        calls += event == "call" and code.co_name == "claim" and code.co_filename.endswith("jobs/claims.py")

    sys.setprofile(note)
    try:
        assert call(client, f"/get/0?wait={WAIT_S}", worker=BAD) == "nada"
    finally:
        sys.setprofile(None)
    assert 1 <= calls <= 3 < WAIT_S / JOBS_S
    assert call(client, "/get/0", worker=GOOD[0]) != "nada"
