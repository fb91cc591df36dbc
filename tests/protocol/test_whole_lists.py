"""Lists are archived, restored and deleted; a deletion continues after a crash and does not block other lists."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import requests

from tests.support.paths import ROOT
from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened

TABLES = ("job", "event", "stage_count", "lifetime", "throughput", "duration", "worker", "host_record")


def create(api: ApiClient, name: str, jobs: int = 3) -> None:
    """Creates a list with jobs."""
    assert api(f"/init/0/60?name={name}").status_code == 200
    assert api("/set", {str(jobid): {"jobcmd": "x"} for jobid in range(jobs)}).status_code == 200


def error(response) -> tuple[int, str]:
    """Status and code."""
    return response.status_code, response.json()["error"]


def rows_of(server: Server, list_id: int) -> dict[str, int]:
    """The number of rows of a list in each table; without the event of the deletion."""
    with opened(server) as database:
        counts = {}
        for table in TABLES:
            and_kind = " AND kind <> 'list_deleted'" if table == "event" else ""
            sql = f"SELECT COUNT(*) FROM {table} WHERE list_id = ?{and_kind}"
            counts[table] = database.rows(sql, list_id)[0][0]
        return {table: number for table, number in counts.items() if number}


def wait_until_purged(server: Server, list_id: int) -> None:
    """Waits until all rows of a deleted list are deleted."""
    give_up_at = time.monotonic() + 60
    while rows_of(server, list_id):
        assert time.monotonic() < give_up_at, rows_of(server, list_id)
        time.sleep(0.05)


def list_id(server: Server, name: str) -> int:
    """The id of the row of a list."""
    with opened(server) as database:
        return int(database.rows("SELECT id FROM job_list WHERE name = ?", name)[0][0])


def browser(server: Server, path: str) -> str:
    """The HTML of a page."""
    return requests.get(server.url + path, headers={"Accept": "text/html"}, timeout=20).text


def test_an_archived_list_is_read_only_hidden_and_complete_after_a_restore(server, jobix):
    api, other = ApiClient(server.url, jobix), ApiClient(server.url, jobix + 1)
    create(api, "old")
    create(other, "new")
    before = api("/get").json()
    assert api("/archive_list", {}).json() == {"list": "old", "change": "archived"}
    assert api("/archive_list", {}).status_code == 200
    assert api("/get").json() == before | {"archived": True}
    assert api("/get/0").json() == "nada"
    assert api("/get/0?n=5", claim="a" * 20).json() == []
    for path, body in (
        ("/set", {"7": {}}), ("/init/0/5", None), ("/lifetime/1/5", None), ("/check_stages/1/0", None),
        ("/cancel_jobs", {"all": True}), ("/delete_jobs", {"jobs": [1]}), ("/rules/1", {"set_aside": True}),
    ):  # fmt: skip
        response = api(path, body)
        assert error(response) == (409, "list_archived"), path
        assert "The list old is archived: restore it first." in response.json()["message"]
    page = browser(server, "/get")
    assert ">new</a>" in page
    assert ">old</a>" not in page
    assert ">old</a>" in browser(server, "/get?archived=1")
    assert "This list is archived" in browser(server, "/get?list=old")
    assert [row.split()[0] for row in server.run("lists").stdout.splitlines()[1:]] == ["new"]
    assert "old (archived)" in server.run("lists", "--archived").stdout
    assert api("/restore_list", {}).json() == {"list": "old", "change": "restored"}
    assert api("/get").json() == before
    assert api("/get/0").json()["jobid"] == 0


def test_a_list_in_use_is_neither_archived_nor_deleted_unless_forced(server, jobix):
    api = ApiClient(server.url, jobix)
    create(api, "busy")
    claim = api("/get/0").json()["claim"]
    for path, body in (("/archive_list", {}), ("/delete_list", {"name": "busy"})):
        response = api(path, body)
        assert error(response) == (409, "list_in_use")
        assert response.json()["message"].startswith("1 job is running.")
    assert "archived" not in api("/get").json()
    assert api("/archive_list", {"force": True}).status_code == 200
    assert api("/update_job/0/2", {}, claim=claim).status_code == 200  # a running job may finish
    assert api("/get").json()["done"] == 1


def test_a_deletion_needs_the_name_and_the_key_is_then_refused(server, jobix):
    api = ApiClient(server.url, jobix)
    create(api, "gone")
    row_id = list_id(server, "gone")
    claim = api("/get/0", worker="ada").json()["claim"]
    api("/update_job/0/2", {"result": 1}, claim=claim)
    for body in ({}, {"name": "other"}, {"name": 5}, {"names": "gone"}):
        assert error(api("/delete_list", body)) == (400, "bad_request")
    assert api("/get").json()["jobs"] == 3
    assert api("/delete_list", {"name": "gone"}, worker="ada").json() == {"list": "gone", "change": "deleted"}
    for path, body in (
        ("/get", None), ("/get/0", None), ("/set", {"1": {}}), ("/init/0/1", None), ("/delete_list", {"name": "gone"}),
        ("/update_job/1/2", {}), ("/heartbeat", []), ("/restore_list", {}), ("/cancel_jobs", {"all": True}),
    ):  # fmt: skip
        assert error(api(path, body)) == (410, "list_deleted"), path
    assert "list 1: list deleted (named gone), by ada" in server.log.read_text()
    assert api(f"/get?list=%09deleted%20{row_id}", accept="text/html", jobix=None).status_code == 404
    wait_until_purged(server, row_id)
    create(ApiClient(server.url, jobix + 1), "gone")  # the name is free
    checked = server.run("db", "check")
    assert checked.returncode == 0, checked.stdout


def test_the_deletion_continues_after_a_kill_and_does_not_block_other_lists(new_server, jobix):
    server = new_server(sweep_every_s="0.05").start()
    api, other = ApiClient(server.url, jobix), ApiClient(server.url, jobix + 1)
    create(api, "large", 60_000)
    create(other, "small", 200)
    row_id = list_id(server, "large")
    assert api("/delete_list", {"name": "large"}).status_code == 200
    give_up_at = time.monotonic() + 60
    while rows_of(server, row_id)["job"] == 60_000:
        assert time.monotonic() < give_up_at
    for _ in range(20):  # between the small steps of the deletion
        assert other("/get/0").json()["jobstage"] == 0
    server.kill()
    left = rows_of(server, row_id)
    assert 0 < left["job"] < 60_000
    assert server.run("db", "check").returncode == 0
    server.start()
    assert error(api("/get/0")) == (410, "list_deleted")
    wait_until_purged(server, row_id)
    assert server.run("db", "check").returncode == 0
    assert other("/get").json()["jobs"] == 200


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True, scope="session")  # several processes need it
def test_another_server_process_refuses_the_key_within_a_sweep(new_server: Callable[..., Server], jobix: int) -> None:
    first = new_server(secret_key="one").start()
    second = new_server(database_uri=database_uri_of(first), secret_key="one").start()
    api, there = ApiClient(first.url, jobix), ApiClient(second.url, jobix)
    create(api, "shared")
    claim = there("/get/0").json()["claim"]
    assert api("/delete_list", {"name": "shared", "force": True}).status_code == 200
    give_up_at = time.monotonic() + 10
    while (response := there("/get/0")).status_code == 200:
        assert response.json() == "nada"
        assert time.monotonic() < give_up_at
    assert error(response) == (410, "list_deleted")
    assert error(there("/update_job/0/2", {}, claim=claim)) == (410, "list_deleted")


def database_uri_of(server: Server) -> str:
    """The URI of its database."""
    return server.environment["JOBSERVER_DATABASE_URI"]


def test_a_worker_of_a_deleted_list_ends_with_the_message(server, jobix, tmp_path):
    api = ApiClient(server.url, jobix)
    create(api, "theirs", 1)
    options = ["--url", server.url, "--jobix", str(jobix)]
    command = [sys.executable, "-m", "client", *options, "work", "0", "--", "sleep", "30"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    give_up_at = time.monotonic() + 30
    while api("/get").json()["working"] == 0:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    assert api("/delete_list", {"name": "theirs", "force": True}).status_code == 200
    _, err = process.communicate(timeout=20)  # the command is stopped
    assert process.returncode == 3, err
    assert "was deleted" in err
    assert "Traceback" not in err
