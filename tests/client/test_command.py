"""Worker with a command line, against a real server."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import pytest

from client import BadTemplate, Job, Tally, Worker
from client.worker import command as command_module
from client.worker.template import Template
from tests.client.conftest import is_running


@pytest.fixture
def run_job(client):
    """Makes a list whose jobs fail at the first error, with one job; returns a function that runs a command on it."""

    def run(arguments, jobcmd, **options) -> Tally:
        client.lifetime(1, 0, max_attempts=1)
        client.set({3: {"jobcmd": jobcmd}})
        return Worker(client, 0, arguments, **options).run()

    return run


def test_each_field_becomes_one_argument_without_a_shell(run_job, tmp_path, job_row):
    out = tmp_path / "out"
    jobcmd = {"file": f"a b'\"; touch {tmp_path}/hacked $(touch {tmp_path}/hacked) *", "n": [1, {"x": None}], "-": "ü"}
    program = f"import sys, json; open({str(out)!r}, 'w').write(json.dumps(sys.argv[1:]))"
    arguments = [sys.executable, "-c", program.replace("{", "{{"), "{jobid}", "--in={jobcmd[file]}", "{jobcmd[n][0]}"]
    arguments += ["{jobcmd[n]}", "{jobcmd[-]}{{}}"]
    assert run_job(arguments, jobcmd, filename="{jobcmd[-]}/{jobid}.npy") == Tally(done=1)
    expected = ["3", f"--in={jobcmd['file']}", "1", '[1, {"x": null}]', "ü{}"]
    assert json.loads(out.read_text()) == expected
    assert not (tmp_path / "hacked").exists()
    assert job_row(3)["filename"] == "ü/3.npy"


def test_a_command_line_in_one_text_is_split_into_words(run_job, tmp_path):
    assert run_job(f"touch '{tmp_path}/a b {{jobid}}'", None) == Tally(done=1)
    assert (tmp_path / "a b 3").exists()


@pytest.mark.parametrize(
    "text",
    [
        "{jobix}",
        "{}",
        "{0}",
        "{jobcmd.__class__}",
        "{jobcmd[a].b}",
        "{jobid[0]}",
        "{jobcmd!r}",
        "{jobid:05}",
        "{jobcmd[]}",
        "{jobid",
        "}",
        "{jobid:{jobid}}",
    ],
)
def test_unknown_fields_are_refused(text):
    with pytest.raises(BadTemplate, match="the fields are"):
        Template(text)


@pytest.mark.parametrize(
    "text", ["{jobcmd[b]}", "{jobcmd[a][2]}", "{jobcmd[a][-1]}", "{jobcmd[a][x]}", "{jobcmd[s][0]}"]
)
def test_a_field_that_a_job_lacks_is_an_error_of_the_job(run_job, job_row, text):
    assert run_job(["echo", text], {"a": [0, 1], "s": "text"}) == Tally(failed=1)
    assert job_row(3)["error"].startswith(f"job 3 has no {text}")


def test_a_whole_jobcmd_of_text_is_itself_and_other_json_is_json():
    job = Job(3, "text", 0, 1, "claim", 1, None)
    assert Template("{jobcmd}|{jobid}").fill(job) == "text|3"
    assert Template("{jobcmd}").fill(Job(3, {"a": True}, 0, 1, "claim", 1, None)) == '{"a": true}'


def test_an_exit_code_is_stored_with_the_last_lines_of_stderr(run_job, job_row, capfd):
    script = "i=0; while [ $i -lt 300 ]; do echo line $i >&2; i=$((i+1)); done; echo out; exit 7"
    assert run_job(["sh", "-c", script], None) == Tally(failed=1)
    error = job_row(3)["error"]
    assert error.startswith("exit code 7: line 280\n")
    assert error.endswith("line 299")
    captured = capfd.readouterr()
    assert captured.out == "out\n"


def test_the_error_of_a_killed_command_names_the_signal(run_job, job_row):
    assert run_job(["sh", "-c", "kill -9 $$"], None) == Tally(failed=1)
    assert job_row(3)["error"] == "killed by SIGKILL"


def test_a_missing_program_is_an_error_before_any_job_is_claimed(client):
    with pytest.raises(BadTemplate, match="no program 'nixda'"):
        Worker(client, 0, "nixda {jobid}")
    with pytest.raises(BadTemplate, match="empty"):
        Worker(client, 0, "")
    with pytest.raises(BadTemplate, match="a function or a command line, not 5"):
        Worker(client, 0, 5)
    with pytest.raises(BadTemplate, match="split"):
        Worker(client, 0, "echo 'open")


@pytest.mark.parametrize(("program", "argument"), [("nixda", "x"), ("echo", "a\x00b"), ("echo", "x" * 3_000_000)])
def test_a_command_that_cannot_be_started_is_an_error_of_the_job(run_job, job_row, program, argument):
    assert run_job(["{jobcmd[0]}", "{jobcmd[1]}"], [program, argument]) == Tally(failed=1)
    assert job_row(3)["error"].startswith(f"could not start {program}")


def test_commands_do_not_see_the_secret_key(run_job, monkeypatch, tmp_path):
    monkeypatch.setenv("JOBSERVER_JOBIX", "123456789")
    run_job(["sh", "-c", f"env > {tmp_path}/env"], None)
    assert "JOBSERVER_JOBIX" not in (tmp_path / "env").read_text()


def test_a_process_that_a_command_leaves_running_does_not_block_the_worker(run_job, tmp_path):
    began = time.monotonic()
    assert run_job(["sh", "-c", f"sleep 30 & echo $! > {tmp_path}/pid; exit 1"], None) == Tally(failed=1)
    assert time.monotonic() - began < 3
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_command_whose_claim_is_lost_is_killed_even_if_it_ignores_sigterm(client, take_back, monkeypatch, tmp_path):
    monkeypatch.setattr(command_module, "KILL_AFTER_S", 0.4)
    client.init([0, 10])
    client.set({3: {}})
    client.lifetime(1, 10, max_attempts=0)
    threading.Timer(0.3, take_back).start()
    pid = tmp_path / "pid"
    run_job = f"[ -e {pid} ] && exit 0; echo $$ > {pid}"
    script = f'{run_job}; trap "" TERM; while :; do sleep 0.05; done'
    began = time.monotonic()
    assert Worker(client, 0, ["sh", "-c", script], lease_s=1.5).run() == Tally(done=1, lost=1)
    assert 0.6 < time.monotonic() - began < 5
    assert not is_running(int(pid.read_text()))
