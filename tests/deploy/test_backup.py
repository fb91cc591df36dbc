"""Backups of a running server and their restoration: complete, or refused without a change."""

import json
import shutil
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from tests.conftest import ApiClient
from tests.support.snapshot import file_of, rows

JOBS = {str(jobid): {"jobcmd": "x" * 200} for jobid in range(500)}


def restarted(server):
    """Starts the server again. Returns the server, or its error message if it refuses to start."""
    try:
        server.start()
    except RuntimeError as error:
        return str(error)
    return ""


def test_a_backup_made_under_load_can_be_restored(server, jobix, tmp_path):
    api = ApiClient(server.url, jobix)
    api("/set", JOBS)
    ended = threading.Event()

    def load():
        load_api, jobid = ApiClient(server.url, jobix), 1000
        while not ended.is_set():
            load_api("/set", {str(jobid): {"jobcmd": "y" * 10_000}})
            jobid += 1

    loading = threading.Thread(target=load)
    loading.start()
    start_s = time.monotonic()
    done = server.run("backup", str(tmp_path / "backup"), "--json")
    took_s = time.monotonic() - start_s
    ended.set()
    loading.join()
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["backup"] == str(tmp_path / "backup")
    assert took_s < 30
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    api("/get/0?n=500")
    assert server.run("restore", str(tmp_path / "backup")).returncode == 2, "restore must refuse while a server runs"
    assert "Stop it" in server.run("restore", str(tmp_path / "backup")).stderr
    server.kill()  # leaves a write-ahead log that does not belong to the backup
    assert file_of(server).with_name("jobs.sqlite-wal").stat().st_size > 0
    done = server.run("restore", str(tmp_path / "backup"))
    assert (done.returncode, done.stderr) == (0, "")
    server.start()
    assert rows(server, "SELECT count(*) FROM job WHERE jobstage = 0 AND jobid < 500") == [(500,)]
    assert ApiClient(server.url, jobix)("/get/0").json()["jobid"] == 0
    assert server.run("db", "check").returncode == 0
    (old,) = [path for path in file_of(server).parent.glob("jobs.sqlite.before-*") if "-wal" not in path.name]
    with closing(sqlite3.connect(old)) as backup:
        assert backup.execute("SELECT count(*) FROM job WHERE jobstage = 1").fetchone()[0] >= 500


def test_restoring_a_file_that_is_not_a_backup_changes_nothing(server, new_server, jobix, tmp_path):
    ApiClient(server.url, jobix)("/set", JOBS)
    assert server.run("backup", str(tmp_path / "good")).returncode == 0
    assert "exists already" in server.run("backup", str(tmp_path / "good")).stderr
    other = new_server().start()
    assert other.run("backup", str(tmp_path / "another key")).returncode == 0
    server.stop()
    (tmp_path / "text").write_text("no database")
    damaged = bytearray((tmp_path / "good").read_bytes())
    damaged[8192:20480] = b"\xff" * 12288
    (tmp_path / "damaged").write_bytes(damaged)
    sqlite3.connect(tmp_path / "foreign").execute("CREATE TABLE other (x)").connection.commit()
    before = {path.name: path.read_bytes() for path in file_of(server).parent.iterdir()}
    for name in ("text", "damaged", "foreign", "another key", "missing"):
        done = server.run("restore", str(tmp_path / name))
        assert done.returncode == 2, name
        assert done.stderr.startswith("jobserver: "), done.stderr
        assert "Traceback" not in done.stderr
        assert {path.name: path.read_bytes() for path in file_of(server).parent.iterdir()} == before, name
    assert server.run("restore", str(tmp_path / "good")).returncode == 0


def test_a_backup_beside_the_old_write_ahead_log_is_refused(server, jobix, tmp_path):
    api = ApiClient(server.url, jobix)
    api("/set", JOBS)
    assert server.run("backup", str(tmp_path / "backup")).returncode == 0
    api("/set", {str(jobid): {"jobcmd": "z" * 300} for jobid in range(1000, 4000)})
    api("/get/0?n=1000")
    server.kill()
    shutil.copy(tmp_path / "backup", file_of(server))
    output = restarted(server)
    assert "jobserver restore FILE" in output
    assert "Traceback" not in output
    assert server.run("restore", str(tmp_path / "backup")).returncode == 0
    assert restarted(server) == ""
    assert ApiClient(server.url, jobix)("/get/0?n=600").json()[-1]["jobid"] == 499


def test_backup_on_postgresql_names_its_own_programs(new_server, new_postgresql_database, tmp_path):
    server = new_server(database_uri=new_postgresql_database)
    for command, program in (("backup", "pg_dump"), ("restore", "pg_restore")):
        done = server.run(command, str(tmp_path / "x"))
        assert done.returncode == 2
        assert program in done.stderr


@pytest.mark.parametrize("made_by", ["serve", "db create"])
def test_files_are_readable_by_their_owner_only(new_server, jobix, made_by):
    server = new_server()
    folder = file_of(server).parent
    if made_by == "db create":
        assert server.run("db", "create").returncode == 0
        assert server.run("db", "create").returncode == 2
    server.start()
    ApiClient(server.url, jobix)("/set", JOBS)
    time.sleep(0.5)
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}
    assert len(modes) >= 5, modes
    assert set(modes.values()) == {"0o600"}, modes
    server.kill()
    for path in folder.iterdir():
        path.chmod(0o644)
    server.start()
    ApiClient(server.url, jobix)("/set", {"1000": {}})
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in folder.glob("jobs.sqlite*")}
    assert len(modes) >= 4, modes
    assert set(modes.values()) == {"0o600"}, modes
