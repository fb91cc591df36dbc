"""The database file of a running server is deleted or replaced: 503 at once, and no empty one in its place."""

import time

import pytest
import requests

from jobserver import create_app
from jobserver.core.errors import DatabaseLost, OutcomeUnknown
from jobserver.core.settings import Settings
from jobserver.store.transaction import Transaction
from jobserver.web.services import NAME, Services
from tests.conftest import ApiClient
from tests.support.snapshot import file_of, rows
from tests.support.until import until


@pytest.fixture
def database_uri():
    """SQLite only: PostgreSQL manages its own files."""
    return ""


@pytest.fixture(params=["eventlet", "gevent", "threading"])
def running(request, new_server, jobix):
    """A server with a job."""
    server = new_server(async_mode=request.param).start()
    ApiClient(server.url, jobix)("/set", {"1": {}, "2": {}})
    return server


@pytest.mark.parametrize("fault", ["deleted", "replaced"])
def test_a_lost_file_is_503_until_it_is_restored(running, jobix, fault):
    api, file = ApiClient(running.url, jobix), file_of(running)
    away = file.rename(file.with_name("away"))
    if fault == "replaced":
        file.write_bytes(away.read_bytes())
    bodies = {"/set": {"3": {}}, "/get/0": None, "/get": None, "/heartbeat": [], "/init": None}
    for path, body in bodies.items():
        response = api(path, body)
        assert (response.status_code, response.json()["error"]) == (503, "database_lost"), path
        assert int(response.headers["Retry-After"]) > 0
    until(lambda: "deleted or replaced" in running.log.read_text(), within_s=5)
    assert running.log.read_text().count("deleted or replaced") == 1
    away.rename(file)
    until(lambda: api("/get/0").status_code == 200, within_s=5)
    assert rows(running, "SELECT count(*) FROM job WHERE jobid > 2") == [(0,)]


def test_a_commit_is_not_acknowledged_if_its_file_is_deleted_meanwhile(tmp_path):
    services: Services = create_app(Settings(instance=str(tmp_path))).extensions[NAME]

    def delete_file(transaction: Transaction) -> None:
        transaction.run("INSERT INTO metadata (name, value) VALUES ('test', '1')")
        (tmp_path / "jobs.sqlite").unlink()

    with pytest.raises(OutcomeUnknown):
        services.commit_queue.run(delete_file)
    with pytest.raises(DatabaseLost):
        services.commit_queue.run(delete_file)
    assert not (tmp_path / "jobs.sqlite").exists()


@pytest.mark.parametrize("secret_key", ["", "0123456789abcdef" * 4], ids=["key file", "key in the settings"])
def test_a_start_without_the_earlier_database_creates_no_empty_one(new_server, jobix, secret_key):
    server = new_server(secret_key=secret_key).start()
    ApiClient(server.url, jobix)("/set", {"1": {}})
    server.stop()
    folder = file_of(server).parent
    for suffix in ("", "-wal", "-shm"):
        (folder / f"jobs.sqlite{suffix}").unlink(missing_ok=True)
    with pytest.raises(RuntimeError, match="jobserver db create"):
        server.start()
    assert not file_of(server).exists()
    assert server.run("db", "create").returncode == 0
    server.start()
    assert requests.get(server.url + "/", timeout=5).ok


def test_two_servers_can_start_together_in_a_new_folder(new_server, tmp_path):
    servers = [new_server(instance=str(tmp_path / "one")) for _ in range(2)]
    for server in servers:
        server.start()
        time.sleep(0.05)
    assert all(requests.get(server.url + "/", timeout=5).ok for server in servers)
