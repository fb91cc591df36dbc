"""Databases of older and newer versions are refused with advice; an upgrade is complete or changes nothing."""

import json
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from jobserver.core.resources import resource
from jobserver.core.settings import Settings
from jobserver.store.location import database_uri
from tests.support.newer_version import ADDS_A_TABLE, NewerVersion
from tests.support.run_here import run_here
from tests.support.schema_definitions import KEY, TABLES, contents
from tests.support.server import Server

Servers = Callable[..., Server]
SCRIPTS = ScriptDirectory(str(resource("migrations")))
HEAD = SCRIPTS.get_current_head() or ""
OLDER = [script.revision for script in SCRIPTS.walk_revisions() if script.revision != HEAD]
A_LIST = [
    "INSERT INTO job_list (name, jobix_hash, created) VALUES ('mine', 'x', 0)",
    "INSERT INTO job (list_id, jobid, jobstage, datecommitted, renewed) VALUES (1, 7, 0, 0, 0)",
    "INSERT INTO stage_count (list_id, stage, jobs, flagged, failed) VALUES (1, 0, 1, 0, 0)",
    "INSERT INTO history (job_id, claim, from_stage, to_stage, outcome, ended) VALUES (1, 'c', 1, 0, 'back', 0)",
]


def refused(result: "subprocess.CompletedProcess[str]") -> str:
    """Checks that a program refused to start. Returns its one line."""
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("jobserver: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


LAST_WITH_HISTORY = "0002"  # A_LIST fits its tables; later versions are reached by an upgrade


def made_by(revision: str, settings: Settings) -> None:
    """Creates the tables of an earlier version with one list."""
    settings.instance_path.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")))
    engine = create_engine(database_uri(settings))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, min(revision, LAST_WITH_HISTORY))
        for statement in A_LIST:
            connection.execute(text(statement))
        command.upgrade(config, revision)
    engine.dispose()


@pytest.mark.parametrize("revision", OLDER)
def test_an_earlier_database_is_refused_and_keeps_its_lists_on_upgrade(
    revision: str, settings: Settings, new_server: Servers
) -> None:
    made_by(revision, settings)
    server = new_server(instance=settings.instance, secret_key=KEY)
    before = contents(server)
    assert f"older ({revision})" in refused(run_here(server, "lists"))
    assert contents(server) == before
    assert run_here(server, "db", "upgrade").returncode == 0
    assert run_here(server, "db", "check").returncode == 0
    lists = json.loads(run_here(server, "lists", "--json").stdout)
    assert [(item["list"], item["jobs"], item["available"]) for item in lists] == [("mine", 1, 1)]
    (event,) = contents(server)["event"]
    assert "'released'" in event


def test_cancelled_jobs_are_counted_apart_after_an_upgrade(settings: Settings, new_server: Servers) -> None:
    made_by("0004", settings)
    engine = create_engine(database_uri(settings))
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET jobstage = 1, outcome = 'cancelled', condition = 'cancelled_by_user'"))
        connection.execute(text("UPDATE stage_count SET stage = 1, flagged = 1, failed = 1"))
    engine.dispose()
    server = new_server(instance=settings.instance, secret_key=KEY)
    assert run_here(server, "db", "upgrade").returncode == 0
    assert run_here(server, "db", "check").returncode == 0
    (progress,) = json.loads(run_here(server, "lists", "--json").stdout)
    assert (progress["flagged"], progress["failed"], progress["cancelled"]) == (1, 0, 1)


def test_an_older_database_needs_an_upgrade_and_a_newer_one_is_refused(new_server: Servers, tmp_path: Path) -> None:
    server, newer_version = new_server(secret_key=KEY), NewerVersion(tmp_path / "tomorrow", HEAD)
    assert run_here(server, "db", "create").returncode == 0
    before = contents(server)
    message = refused(newer_version.run(server, "app.py"))
    assert f"older ({HEAD})" in message
    assert contents(server) == before
    program, *arguments = shlex.split(message.strip().partition("Back it up, then: ")[2])
    assert program == "python"
    done = newer_version.run(server, *arguments)
    assert (done.returncode, done.stdout) == (0, "The tables were upgraded (tomorrow).\n"), done.stderr
    after = contents(server)
    assert after == before | {"extra": [], "alembic_version": ["('tomorrow',)"]}

    for arguments in (["lists"], ["db", "upgrade"], ["db", "check"]):  # now the current code is the older one
        assert "newer (tomorrow)" in refused(run_here(server, *arguments))
    with pytest.raises(RuntimeError, match="ended with 2: jobserver: The database is newer"):
        server.start()
    assert contents(server) == after


@pytest.mark.parametrize(
    ("tables", "end"), [("empty", "os.kill(os.getpid(), signal.SIGKILL)"), ("older", "raise OSError('disk full')")]
)
def test_an_interrupted_upgrade_changes_nothing(new_server: Servers, tmp_path: Path, tables: str, end: str) -> None:
    """On an empty database the upgrade is interrupted before the last table."""
    broken = NewerVersion(tmp_path / "broken", HEAD, f"{ADDS_A_TABLE}; {end}")
    server = new_server(secret_key=KEY)
    server.folder.joinpath("instance").mkdir()
    if tables == "older":
        assert run_here(server, "db", "create").returncode == 0
    before = contents(server)
    failed = broken.run(server, "-m", "jobserver", "db", "upgrade")
    assert failed.returncode == (-signal.SIGKILL if "kill" in end else 1)
    assert contents(server) == before
    assert run_here(server, "db", "upgrade").returncode == 0
    assert set(contents(server)) == TABLES
