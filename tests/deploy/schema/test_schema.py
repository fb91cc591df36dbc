"""A server creates its tables in an empty database, one server at a time, and refuses other databases."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.store.location import database_uri
from jobserver.store.schema import prepare
from tests.support.paths import ROOT
from tests.support.run_here import run_here
from tests.support.schema_definitions import KEY, TABLES, contents
from tests.support.server import ApiClient, Server

# a server that has started up to its first use of the database, and waits for a line
SERVE = """
import sys
import jobserver.store.models, jobserver.api.founding.routes, jobserver.pages.routes, jobserver.server.async_modes
from jobserver import create_app
from jobserver.server.cli import main

print("ready", flush=True)
sys.stdin.readline()
sys.exit(main(["serve"], create_app))
"""


def test_tables_are_created_once_in_an_empty_database(new_server: Callable[..., Server], jobix: int) -> None:
    server = new_server(sweep_every_s="3600").start()
    ApiClient(server.url, jobix)("/set", {"1": {}})
    before = contents(server)
    assert set(before) == TABLES
    assert run_here(server, "db", "check").returncode == 0
    assert run_here(server, "db", "upgrade").returncode == 0
    assert contents(server) == before
    assert ApiClient(server.url, jobix)("/get/0").json()["jobid"] == 1


def test_a_database_of_another_program_is_refused_and_unchanged(settings: Settings) -> None:
    settings.instance_path.mkdir(parents=True)
    engine = create_engine(database_uri(settings))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE photos (name TEXT)"))
        connection.execute(text("INSERT INTO photos VALUES ('sea')"))
    for upgrade in (False, True):
        with pytest.raises(CannotStart, match=r"not job_manager's \(photos\)"):
            prepare(settings, KEY, upgrade)
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == ["photos"]
        assert connection.execute(text("SELECT name FROM photos")).scalars().all() == ["sea"]
    engine.dispose()


def test_servers_can_start_together_on_an_empty_database(
    new_server: Callable[..., Server], tmp_path: Path, jobix: int
) -> None:
    """They share a folder too: one server creates the secret key, and the others read it."""
    new = new_server(instance=str(tmp_path / "instance"), async_mode="threading")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SERVE], cwd=ROOT, env=new.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        lines = [process.stderr.readline() for process in processes]
        assert all(" serves http" in line for line in lines), lines
        urls = [line.partition(" serves ")[2].partition("/get ")[0] for line in lines]
        for number, url in enumerate(urls):
            assert ApiClient(url, jobix)("/set", {str(number): {}}).json()["new"] == 1
        assert [ApiClient(url, jobix)("/get/0").json()["jobid"] for url in urls] == [0, 1, 2]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [file.name for file in (tmp_path / "instance").glob("secret_key*")] == ["secret_key"]
    assert len(contents(new)["alembic_version"]) == 1


def test_a_database_made_with_another_secret_key_is_refused(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """With the wrong key no jobix would match, and every list would seem to be missing."""
    place = {"instance": str(tmp_path / "instance")}
    first, second = new_server(secret_key=KEY, **place), new_server(secret_key="another", **place)
    assert run_here(first, "db", "create").returncode == 0
    before = contents(first)
    for arguments in (("lists",), ("db", "check"), ("db", "upgrade")):
        result = run_here(second, *arguments)
        assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert "JOBSERVER_SECRET_KEY is not the key of this database" in result.stderr
        assert contents(first) == before
    assert run_here(first, "lists").returncode == 0
