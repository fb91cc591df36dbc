"""python -m jobserver db upgrade and db check: each damage made by hand is found and named, and nothing else."""

import json
from collections.abc import Callable

import pytest

from tests.support.postgresql import make_postgresql_database
from tests.support.run_here import run_here
from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened

NO_PROBLEMS = "No problems: counters, orphans, indexes.\n"
# damage to the database, and the message about it
BROKEN = [
    ("UPDATE stage_count SET jobs = jobs + 1 WHERE stage = 0",
     "counter of list 1, stage 0: 2 jobs, 0 flagged, 0 failed, 0 cancelled; counted: 1, 0, 0, 0"),
    ("UPDATE stage_count SET flagged = flagged - 1, failed = failed - 1 WHERE stage = 1",
     "counter of list 1, stage 1: 2 jobs, 0 flagged, 0 failed, 0 cancelled; counted: 2, 1, 1, 0"),
    ("DELETE FROM stage_count WHERE stage = 2",
     "counter of list 1, stage 2: 0 jobs, 0 flagged, 0 failed, 0 cancelled; counted: 1, 0, 0, 0"),
    ("INSERT INTO stage_count (list_id, stage, jobs, flagged, failed) VALUES (1, 8, 1, 0, 0)",
     "counter of list 1, stage 8: 1 jobs, 0 flagged, 0 failed, 0 cancelled; counted: 0, 0, 0, 0"),
    ("INSERT INTO job (list_id, jobid, jobstage, datecommitted, renewed) VALUES (77, 1, 0, 0, 0)", "1 jobs of no list"),
    ("INSERT INTO stage_count (list_id, stage, jobs, flagged, failed) VALUES (77, 0, 1, 0, 0)",
     "1 counters of no list"),
    ("INSERT INTO lifetime (list_id, stage, lifetime_ms, max_attempts) VALUES (77, 0, 0, 5)", "1 lifetimes of no list"),
    ("INSERT INTO event (list_id, job_id, kind, at, jobs) VALUES (1, 777, 'claimed', 0, 1)", "1 events of no job"),
    ("UPDATE job SET claim = 'c' WHERE jobstage = 2", "1 claims on jobs in an even stage"),
    ("UPDATE job SET claim = 'c' WHERE outcome = 'failed'", "1 failed jobs that are held"),
    ("UPDATE job SET hold = 'forever' WHERE jobid = 3", "1 jobs with an unknown hold"),
    ("UPDATE job SET phase = 'x' WHERE jobid = 3", "1 jobs with an unknown phase"),
    ("UPDATE event SET kind = 'x' WHERE kind = 'submitted'", "1 events of an unknown kind"),
    ("UPDATE job SET overdue = 1 WHERE outcome = 'failed'", "1 failed jobs that are overdue"),
    ("UPDATE job SET condition = 'none' WHERE outcome = 'failed'", "1 failed jobs without a condition"),
]  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def server_with_jobs(request: pytest.FixtureRequest, new_server: Callable[..., Server]) -> Server:
    """A server with one list of four jobs: available, held, failed and done."""
    on_postgresql = request.param == "postgresql"
    uri = make_postgresql_database(request.getfixturevalue("postgresql")) if on_postgresql else ""
    server = new_server(database_uri=uri, sweep_every_s="3600").start()
    api = ApiClient(server.url, 1)
    api("/init/0/600")
    api("/lifetime/1/600?max_attempts=1")
    api("/set", {str(jobid): {} for jobid in range(4)})
    for jobid, claim in enumerate("abc"):
        api("/get/0", claim=claim * 32)
        if jobid:
            body = {"error": "broken"} if jobid == 1 else None
            assert api(f"/update_job/{jobid}/{0 if body else 2}", body, claim=claim * 32).status_code == 200
    return server


def by_hand(server: Server, statements: list[str]) -> None:
    """Runs statements on a connection that does not enforce foreign keys."""
    with opened(server) as database:
        database.run("SET session_replication_role = replica" if database.postgresql else "PRAGMA foreign_keys = OFF")
        for sql in statements:
            database.run(sql)


def found_by_check(server: Server) -> list[str]:
    """The problems that db check reports as JSON, after a comparison with its text output."""
    text_result, json_result = run_here(server, "db", "check"), run_here(server, "db", "check", "--json")
    problems: list[str] = json.loads(json_result.stdout)["problems"]
    assert json.loads(json_result.stdout)["ok"] == (not problems)
    assert (text_result.stderr, json_result.stderr) == ("", "")
    assert text_result.returncode == json_result.returncode == (1 if problems else 0)
    if not problems:
        assert text_result.stdout == NO_PROBLEMS
    for problem in problems:
        assert "".join(problem.split()) in "".join(text_result.stdout.split())
    return problems


def test_check_reports_each_problem_and_nothing_else(server_with_jobs: Server) -> None:
    assert found_by_check(server_with_jobs) == []
    by_hand(server_with_jobs, [sql for sql, _ in BROKEN])
    assert sorted(found_by_check(server_with_jobs)) == sorted(problem for _, problem in BROKEN)
    assert server_with_jobs.run("db", "check").returncode == 1


def test_check_finds_missing_and_broken_indexes(server_with_jobs: Server) -> None:
    with opened(server_with_jobs) as database:
        if database.postgresql:
            on_postgresql = (
                "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE NOT indisprimary"
            )
            condition = "relnamespace = 'public'::regnamespace AND relname NOT LIKE '%_key'"
            names = sorted(row[0] for row in database.rows(f"{on_postgresql} AND {condition}"))
            # drops one, and leaves the others invalid, as an interrupted CREATE INDEX CONCURRENTLY does
            invalid = (
                "UPDATE pg_index SET indisvalid = false FROM pg_class WHERE pg_class.oid = indexrelid AND relname IN"
            )
            quoted = ", ".join(f"'{name}'" for name in names)
            broken = ["DROP INDEX job_available", f"{invalid} ({quoted})"]
        else:
            on_postgresql = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
            names = [row[0] for row in database.rows(on_postgresql)]
            broken = [f"DROP INDEX {name}" for name in names]
    by_hand(server_with_jobs, broken)
    assert len(names) > 5
    assert found_by_check(server_with_jobs) == [f"index {name} is missing or broken" for name in names]


def test_check_reads_the_whole_file(server: Server) -> None:
    """Queries that use an index with missing entries would miss jobs."""
    ApiClient(server.url, 1)("/set", {"1": {}})
    server.stop()
    other = "UPDATE sqlite_master SET sql = replace(sql, 'jobstage % 2 = 0', 'jobstage < 9') WHERE name ="
    by_hand(server, ["PRAGMA writable_schema = ON", f"{other} 'job_available'", "UPDATE job SET jobstage = 1",
                     "UPDATE stage_count SET stage = 1"])  # fmt: skip
    problems = found_by_check(server)
    assert problems
    assert all(problem.startswith("file: ") for problem in problems)
    assert "job_available" in problems[0]


def test_an_upgrade_of_new_tables_changes_nothing(new_server: Callable[..., Server]) -> None:
    server = new_server()
    create, upgrade, again = (
        run_here(server, "db", *action.split()) for action in ("create", "upgrade --json", "upgrade")
    )
    names = json.loads(upgrade.stdout)
    assert (create.returncode, upgrade.returncode, names["before"]) == (0, 0, names["now"])
    assert (again.returncode, again.stdout) == (0, f"The tables are up to date ({names['now']}).\n")
    assert found_by_check(server) == []
    assert json.loads(run_here(server, "lists", "--json").stdout) == []
    assert run_here(server, "lists").stdout == "No lists yet.\n"
    assert run_here(server, "status", "gaia").stderr == "jobserver: No list is named 'gaia'. Lists: none yet.\n"
    with opened(server) as database:
        database.run("UPDATE alembic_version SET version_num = '9999'")
        for arguments in (("db", "upgrade"), ("db", "check"), ("lists",)):
            result = run_here(server, *arguments)
            assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
            assert result.stderr.startswith("jobserver: The database is newer (9999)")
        database.run("DROP TABLE alembic_version")
        result = run_here(server, "db", "upgrade")
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert "holds tables that are not job_manager's" in result.stderr


@pytest.mark.parametrize(
    "command", ["db check", "db upgrade", "push", "lists", "status gaia", "sweep", "cancel gaia 1"]
)
def test_a_command_does_not_create_a_missing_database(new_server: Callable[..., Server], command: str) -> None:
    """In a wrong folder, or without a setting, a new empty database would hide the mistake."""
    server = new_server()
    result = run_here(server, *command.split())
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert str(server.folder / "instance") in result.stderr
    assert not (server.folder / "instance").exists()


def test_db_create_accepts_an_empty_postgresql_database_only(new_server, postgresql):
    server = new_server(database_uri=make_postgresql_database(postgresql))
    assert server.run("db", "create").stdout == "An empty database was created.\n"
    second = server.run("db", "create")
    assert second.returncode == 2
    assert second.stdout == ""
    assert "has the tables already. Nothing was changed." in second.stderr
