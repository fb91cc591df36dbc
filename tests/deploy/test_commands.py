"""python -m jobserver: the output of each command as text and as JSON, and its exit code."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.cells import cell_len

from jobserver.core.settings import Settings
from tests.support.paths import ROOT
from tests.support.run_here import run_here
from tests.support.server import ApiClient, Server

HIGHEST = 2**63 - 1
# valid list names that have a meaning to a terminal, a table or a shell
NAMES = ("[red]x[/red]", "[/]", "\\[b]", ":warning:", "<script>", "it's; $(x) %s {0}", "漢" * 100, "n" * 100)
HOSTILE = "[blink]E[/]\x1b[2J\x1b]0;title\x07\r\n\x9b31m\u202e:warning: "
WORKER = "[red]node3:812[/red] " + "w" * 150
HELP = ["", "serve", "db", "db upgrade", "db check", "lists", "status", "sweep", "cancel", "completion"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running server with many lists; `run` returns the result of a command, which is run only once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "FORCE_COLOR", "PYTHONUNBUFFERED"):
            patch.delenv(name, raising=False)
        server = Server(tmp_path_factory.mktemp("commands"), sweep_every_s="3600").start()
        gaia = ApiClient(server.url, 1)
        gaia("/init/0/600/0?name=gaia")
        gaia("/lifetime/1/600?max_attempts=1")
        gaia("/set", {str(HIGHEST - i): {"priority": -i} for i in range(1200)} | {"7": {"priority": 9}})
        gaia("/update_job/7/2", {"filename": "7.npy"}, claim=gaia("/get/0", worker="x").json()["claim"])
        for _ in range(2):
            job = gaia("/get/0", worker=WORKER).json()
            assert gaia(f"/update_job/{job['jobid']}/0", {"error": HOSTILE + "z" * 5000}).json()["failed"]
        gaia("/get/0", claim="c" * 32)
        for number, name in enumerate(NAMES):
            headers = {"jobix": str(1000 + number)}
            assert gaia.session.get(f"{server.url}/init", params={"name": name}, headers=headers).ok
        yield SimpleNamespace(server=server, gaia=gaia, run=cache(partial(run_here, server)))
        server.kill()


def rows(table: str) -> list[list[str]]:
    """The lines of a table, split into words."""
    return [line.split() for line in table.splitlines()]


def test_lists_and_status_as_json_equal_the_servers_responses(site: SimpleNamespace) -> None:
    lists, status = site.run("lists", "--json"), site.run("status", "gaia", "--json")
    expected = site.gaia("/get").json()
    del expected["page"]
    assert (lists.returncode, status.returncode, lists.stderr, status.stderr) == (0, 0, "", "")
    assert json.loads(lists.stdout)[0] == expected
    assert [item["list"] for item in json.loads(lists.stdout)] == ["gaia", *NAMES]
    status_data = json.loads(status.stdout)
    assert {name: status_data[name] for name in expected} == expected
    assert status_data["lifetimes"] == site.gaia("/lifetime").json()
    expired_jobs = status_data["expired_jobs"]
    assert [(job["jobid"], job["stage"], job["worker"]) for job in expired_jobs] == [
        (HIGHEST - 1, 1, WORKER), (HIGHEST, 1, WORKER)
    ]  # fmt: skip
    assert all(job["error"].startswith(HOSTILE) and len(job["error"]) <= 500 for job in expired_jobs)


def test_lists_and_status_as_tables_show_the_same(site: SimpleNamespace) -> None:
    lists, status = site.run("lists"), site.run("status", "gaia")
    assert (lists.returncode, status.returncode, lists.stderr, status.stderr) == (0, 0, "", "")
    assert ["gaia", "0", "%", "1,201", "1,197", "1", "1", "0", "2"] in rows(lists.stdout)
    assert status.stdout.startswith("gaia: 0 % done, 1 of 1,201 jobs\n")
    table = rows(status.stdout)
    assert ["0", "waiting", "1,197", "0", "0", "no", "limit"] in table
    assert ["1", "working", "3", "0", "2", "600"] in table
    assert ["2", "done", "1", "0", "0", "no", "limit"] in table
    assert sum("failed" in row and "1" in row for row in table) == 2
    assert site.server.run("lists").stdout == lists.stdout


@pytest.mark.parametrize("arguments", [("lists",), ("status", "gaia"), ("status", NAMES[-2])])
def test_tables_fit_80_columns_with_any_content(site: SimpleNamespace, arguments: tuple[str, ...]) -> None:
    lines = site.run(*arguments).stdout.splitlines()
    for line in lines[1:] if "status" in arguments else lines:  # its title may be longer
        assert cell_len(line) <= 80, line


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_list_name_can_be_copied_into_a_command(site: SimpleNamespace, name: str) -> None:
    output = site.run("lists").stdout
    if len(name) < 20:
        assert any(line.startswith(f"{name}  ") for line in output.splitlines()), output
    else:
        folded = "".join(line.partition(" ")[0] for line in output.splitlines())
        assert name.partition(" ")[0] in folded
    if name in (NAMES[0], NAMES[3]):  # rich markup, and an emoji code
        assert site.run("status", name).stdout.startswith(f"{name}: 0 % done")


def test_escape_sequences_of_a_worker_do_not_reach_the_terminal(site: SimpleNamespace) -> None:
    """An error is any text. Escape sequences in it could clear the screen, set the title or hide text."""
    output = site.run("status", "gaia").stdout
    assert "zzz" in output
    assert not [ascii(char) for char in output if not char.isprintable() and char != "\n"]
    assert "[blink]E[/]" in output.replace(" ", "").replace("\n", "")
    assert "\\[" not in output


def test_the_error_of_an_unknown_list_names_the_existing_lists(site: SimpleNamespace) -> None:
    for arguments in (("status", "gaya"), ("cancel", "gaya", "7")):
        result = site.run(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("jobserver: No list is named 'gaya'. Lists: gaia, ")
        assert result.stderr.count("\n") == 1


def test_cancel_reaches_the_worker_at_its_next_heartbeat(site: SimpleNamespace) -> None:
    jobid = site.gaia("/get/0", claim="c" * 32).json()["jobid"]
    result = run_here(site.server, "cancel", "gaia", str(jobid), "--json")
    assert (result.returncode, json.loads(result.stdout)) == (0, {"cancelled": True})
    assert site.gaia("/heartbeat", [{"jobid": jobid, "claim": "c" * 32}]).json()["jobs"][0]["state"] == "cancel"


@pytest.mark.parametrize("jobid", [7, 8, -1, 2**63, 10**30])
def test_cancel_of_a_job_that_is_not_held_is_an_error(site: SimpleNamespace, jobid: int) -> None:
    result = run_here(site.server, "cancel", "gaia", str(jobid))
    assert "Traceback" not in result.stderr
    assert result.returncode in (1, 2)
    assert "No worker holds that job" in result.stdout or result.stderr.count("\n") <= 3


def test_sweep_flags_overdue_jobs_at_once(site: SimpleNamespace) -> None:
    api = ApiClient(site.server.url, 2)
    api("/init/0/0.00001?name=swept")
    api("/set", {"1": {}, "2": {}})
    api("/get/0?n=2")
    result = [json.loads(run_here(site.server, "sweep", "--json").stdout) for _ in range(2)]
    assert result == [{"swept": 2}, {"swept": 0}]
    assert api("/get").json()["flagged"] == 2


@pytest.mark.parametrize("command", HELP)
def test_help_explains_each_command(command: str) -> None:
    result = run(*command.split(), "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"usage: python -m jobserver {command}".strip() in result.stdout
    assert len(result.stdout.splitlines()) > 3


@pytest.mark.parametrize("arguments", ["", "lisst", "db", "db chekc", "status", "cancel x", "cancel x y", "lists x"])
def test_an_invalid_command_line_shows_the_usage(arguments: str) -> None:
    result = run(*arguments.split())
    assert (result.returncode, result.stdout) == (2, "")
    assert "usage: python -m jobserver" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("mistyped", "meant"), [("lisst", "lists"), ("db chekc", "check"), ("serv", "serve")])
def test_a_mistyped_command_gets_a_suggestion(mistyped: str, meant: str) -> None:
    assert run(*mistyped.split()).stderr.endswith(f". Did you mean {meant}?\n")


def test_an_option_that_is_a_setting_is_explained() -> None:
    assert run("serve", "--port", "8000").stderr.endswith("Set the variable JOBSERVER_PORT instead\n")
    assert "Did you mean" not in run("completion", "tcsh").stderr
    assert run("cancel", "x", "y").stderr.endswith("jobserver: argument JOBID: it must be a whole number, not 'y'\n")


def test_the_help_of_serve_lists_the_settings() -> None:
    """A server that was installed from a wheel has no docs/settings.md."""
    text = run("serve", "--help").stdout
    assert all(f"  JOBSERVER_{name.upper()}\n      " in text for name in Settings.__struct_fields__)
    assert max(map(len, text.splitlines())) <= 80


def test_text_in_a_pipe_is_not_wrapped(site: SimpleNamespace, tmp_path: Path) -> None:
    file = tmp_path / ("long-name-" * 12)
    result = site.server.run("backup", str(file))
    assert (result.returncode, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    assert result.stdout.startswith(f"The database was copied to {file}. Keep ")


def test_without_a_command_the_help_is_printed() -> None:
    result = run()
    assert (result.returncode, result.stdout) == (2, "")
    assert "serve until Ctrl-C" in result.stderr
    assert "error" not in result.stderr


def test_bash_completes_commands_and_options() -> None:
    program = run("completion", "bash").stdout
    completion = (
        'COMP_WORDS=(jobserver st); COMP_CWORD=1; _shtab_jobserver; echo "${COMPREPLY[@]}";'
        'COMP_WORDS=(jobserver lists --js); COMP_CWORD=2; _shtab_jobserver; echo "${COMPREPLY[@]}"'
    )
    result = subprocess.run(["bash", "-c", program + completion], capture_output=True, text=True, timeout=20)
    assert result.stdout.split() == ["status", "--json"], result.stderr


@pytest.mark.parametrize("arguments", ["lists", "status gaia --json", "db check", "--help"])
def test_a_closed_pipe_is_not_an_error(site: SimpleNamespace, arguments: str) -> None:
    """As in `| head -1`. In particular, `db check` must not exit with 1, which means that it found a problem."""
    reader, writer = os.pipe()
    os.close(reader)
    result = run(*arguments.split(), stdout=writer, env=site.server.environment)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")


def test_serve_starts_the_same_server_as_app_py(new_server: Callable[..., Server], jobix: int) -> None:
    environment, command = new_server().environment, [sys.executable, "-m", "jobserver", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            url = line.partition(" serves ")[2].partition("/get ")[0]
            assert ApiClient(url, jobix)("/set", {"1": {}}).json()["new"] == 1, line
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


def run(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """Runs python -m jobserver without a database."""
    popen_options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT, "text": True, "timeout": 60}
    return subprocess.run([sys.executable, "-m", "jobserver", *arguments], **(popen_options | options))
