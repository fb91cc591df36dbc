"""python -m client with a real server: its output and exit codes."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys

import pytest
import requests

from client import JobClient
from tests.client.conftest import ROOT, write_secret

PAUSE = ", a pause of 5 s after the first failure"
NO_PAUSE = {"backoff_s": 0.0, "retry_for_s": 0.0}


def test_from_init_to_the_last_update(run, tmp_path, url, jobix):
    code, out, err = run("init", "0", "10", "0", "0.5")
    name = JobClient(url, jobix).progress().name
    assert (code, err) == (0, "")
    assert out == (
        f"stage 0: no limit\nstage 1: 10 minutes, then back to stage 0, at most 5 attempts{PAUSE}\nstage 2: no limit\n"
        f"stage 3: 30 s, then back to stage 2, at most 5 attempts{PAUSE}\nstage 4: no limit\n"
        f"list {name}: {url}/get?list={name}\n"
    )
    (tmp_path / "jobs.csv").write_text("id,file\n3,a.fits\n4,b.fits\n")
    assert run("set", "jobs.csv") == (0, "2 new, 0 known\n", "")
    code, out, _ = run("get", "0", "--json")
    job = json.loads(out)
    assert (code, job["jobid"], job["jobcmd"], job["stage"]) == (0, 3, {"id": "3", "file": "a.fits"}, 0)
    assert str(jobix) not in out
    code, out, _ = run("update", "3", "2", "--claim", job["claim"], "--filename", "3.npy", "--result", "1.5", "--json")
    assert (code, json.loads(out)["jobstage"]) == (0, 2)
    code, out, _ = run("get", "0")
    assert re.search(r"^jobid: 4\njobcmd: .*\nwhen done: (\S+ -m client|jm) update 4 2 --claim \w+$", out, re.S)
    command = re.search(r"update .*", out)[0].split()
    assert run(*command) == (0, "Success, job 4 was updated to stage 2!\n", "")
    assert run("get", "0") == (1, "no job available\n", "")
    assert run("get", "0", "--json") == (1, '"nada"\n', "")
    assert JobClient(url, jobix).progress().stages[2].jobs == 2


def test_check_says_by_its_exit_code_whether_jobs_are_flagged(run, client, until):
    run("init", "0", "0.0001", "--requeue", "none")
    client.set({1: {}})
    assert run("check") == (0, "no job is overdue or failed\n", "")
    client.get(0)
    until(lambda: run("check")[:2] == (1, "1 flagged\n"))
    code, out, _ = run("check", "1", "0", "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "flagged": 0, "degraded": 1})


def test_lifetime_shows_and_sets(run):
    assert run("lifetime", "1", "20", "--requeue", "0", "--max-attempts", "3") == (
        0,
        "stage 1: 20 minutes, then back to stage 0, at most 3 attempts\n",
        "",
    )
    _, out, _ = run("lifetime", "1", "--json")
    assert json.loads(out) == {"stage": 1, "minutes": 20.0, "requeue": 0, "max_attempts": 3} | NO_PAUSE


def test_init_creates_a_private_key_file_that_set_and_get_use(run, tmp_path, monkeypatch):
    monkeypatch.delenv("JOBSERVER_JOBIX")
    code, out, err = run("init", "--jobix-file", "secret", "--name", tmp_path.name, "0", "10", "0", "40")
    assert (code, err) == (
        0,
        "created secret with a new secret key. Keep it private: it grants full access to the list\n",
    )
    secret = (tmp_path / "secret").read_text()
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert int(secret) < 2**63
    assert secret.strip() not in out + err
    assert run("init", "--jobix-file", "secret")[0] == 0
    assert (tmp_path / "secret").read_text() == secret
    (tmp_path / "jobs.json").write_text("[1, 2]")
    assert run("set", "jobs.json", "--jobix-file", "secret")[1] == "2 new, 0 known\n"
    assert run("--jobix-file", "secret", "get", "0")[0] == 0


def test_init_with_another_name_prints_that_the_list_was_renamed(run, url, jobix, client):
    first, second = f"a {jobix}", f"b&c {jobix}"
    assert run("init", "--name", first)[2] == ""
    code, out, err = run("init", "--name", second)
    assert (code, out) == (0, f"list {second}: {url}/get?list=b%26c%20{jobix}\n")
    assert err.startswith(f"warning: list {first} is now named {second}. Links to its page by the old name")
    assert (
        requests.get(f"{url}/get?list=b%26c%20{jobix}", headers={"Accept": "text/html"}, timeout=10).status_code == 200
    )
    assert run("init", "--name", second)[2] == run("init")[2] == ""
    assert client.progress().name == second


def test_known_files_among_new_ones_are_no_error(run, tmp_path):
    for name in ("b", "c"):
        (tmp_path / f"{name}.fits").touch()
    assert run("set", "--files", "*.fits") == (0, "2 new, 0 known\n", "")
    (tmp_path / "a.fits").touch()
    assert run("set", "--files", "*.fits") == (0, "1 new, 2 known\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["work", "0"], 2, "put -- before the command"),
        (["get", "0", "--", "echo"], 2, "only `work` takes words after --"),
        (["check", "1"], 2, "both OLD and NEW"),
        (["get", "x"], 2, "'x' is not a whole number"),
        (["set", "nowhere.csv"], 2, "No such file"),
        (["set", "--files", "*.nothing"], 2, "no file matches"),
        (["update", "1", "2", "--result", "{"], 2, "not JSON"),
        (["update", "1", "2", "--result", "NaN", "--claim", "0" * 32], 2, "not JSON compliant"),
        (["get", "0", "--url", "nowhere"], 2, "must look like"),
        (["get", "0", "--ca-file", "nowhere.pem"], 2, "does not exist"),
        (["work", "0", "--", "nixda"], 2, "no program"),
        (["work", "0", "--", "echo", "{secret}"], 2, "unknown field"),
        (
            ["work", "0", "--wait-s", "99", "--", "true"],
            2,
            "--wait-s must be from 0 to 60; use --forever to wait without end",
        ),
        (["work", "0", "echo", "hi"], 2, "put -- before the command"),
        (["check", "--retry-for-s", "-1"], 2, "-1 is negative"),
        (["check", "--retry-for-s", "nan"], 2, "'nan' is not a number"),
        (["login", "http://127.0.0.1:9", "--url", "http://127.0.0.1:9"], 2, "without --url"),
        (["set", "--files", "a.csv", "b.csv", "c.csv"], 2, "Put the pattern in quotes"),
        (["get", "1"], 3, "even"),
        (["update", "9", "2"], 4, "no list with this jobix"),
        (["init", "--", "-5"], 2, "only `work` takes words after --"),
        (["get", "0", "--jobix", "-1"], 4, "--jobix must be a whole number from 0 to 2^63-1"),
        (["get", "0", "--jobix", "x12345"], 4, "whole number"),
        (["get", "0", "--jobix-file", "nowhere"], 4, "there is no file nowhere: `jm init"),
        (["get", "0", "--url", "http://127.0.0.1:9", "--retry-for-s", "0.1"], 5, "could not be reached"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(run, arguments, code, expected):
    ended, out, err = run(*arguments)
    assert (ended, out) == (code, "")
    assert expected in err.splitlines()[-1]
    assert "Traceback" not in err
    assert "x12345" not in err


@pytest.mark.parametrize("holds", ["", "some text\n", "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"])
def test_a_ca_file_without_a_certificate_is_an_error_that_names_the_file(run, tmp_path, holds):
    (tmp_path / "x.txt").write_text(holds)
    error = "error: the CA file x.txt contains no PEM certificate\n"
    assert run("get", "0", "--ca-file", "x.txt", "--url", "https://127.0.0.1:9") == (2, "", error)


def test_a_missing_secret_key_is_an_error_that_names_the_options(run, monkeypatch):
    monkeypatch.delenv("JOBSERVER_JOBIX")
    code, _, err = run("get", "0")
    assert code == 4
    assert "--jobix-file" in err


@pytest.mark.parametrize("command", [("get", "0"), ("init",)])
@pytest.mark.parametrize("holds", ["some text", "", "5 6", "é", None])
def test_the_error_for_an_invalid_jobix_file_does_not_suggest_init(run, tmp_path, command, holds):
    if holds is None:
        (tmp_path / "s").mkdir()
    else:
        write_secret(tmp_path / "s", holds)
    code, _, err = run(*command, "--jobix-file", "s")
    message = (
        "cannot be read from s (Is a directory)" if holds is None else "the file s must contain only a whole number"
    )
    assert (code, message in err, "creates" in err) == (4, True, False)


def test_work_does_all_jobs_and_exits_with_0(terminal, client):
    client.set({jobid: {"jobcmd": {"file": f"{jobid}.fits"}} for jobid in range(3)})
    assert terminal.run("work", "0", "--", "echo", "{jobcmd[file]}", "--x", "--") == (
        0,
        "".join(f"{jobid}.fits --x --\n" for jobid in range(3)),
        "3 done\n",
    )


def test_work_prints_failures_to_stderr_and_exits_with_0(terminal, client):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}})
    code, out, err = terminal.run("work", "0", "--", "sh", "-c", "echo broken >&2; exit 3")
    assert (code, out) == (0, "")
    assert err.startswith("broken\njob 1 failed permanently: exit code 3: broken\n0 done, 1 failed\n1 failed: `")


def test_the_secret_is_not_in_the_arguments_of_a_worker_with_a_jobix_file(terminal, client, jobix, tmp_path, until):
    client.set({1: {}})
    write_secret(tmp_path / "secret", jobix)
    process = terminal.start("work", "0", "--jobix-file", "secret", "--", "sh", "-c", "ps -ef ww > list")
    process.communicate(timeout=10)
    assert "client work 0" in (tmp_path / "list").read_text()
    assert str(jobix) not in (tmp_path / "list").read_text()


def test_ctrl_c_exits_quietly_with_130_and_gives_back_the_claim_of_get(terminal, client, proxy):
    client.set({1: {}})
    proxy.delay("/get/0", 20)
    process = terminal.start("get", "0", JOBSERVER_URL=proxy.url)
    assert proxy.handled.wait(5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 130
    assert client.progress().available == 1


def test_a_closed_pipe_is_not_an_error(terminal, client):
    client.set({1: {}})
    code = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m client get 0 --json | true; {sys.executable} -m client get 0 | head -c 1"],
        env=terminal.environment,
        cwd=ROOT,
        capture_output=True,
        timeout=10,
    )
    assert code.stderr == b""
