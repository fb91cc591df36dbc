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
from tests.client.conftest import runs


@pytest.fixture
def once(client):
    """Makes a list whose jobs fail at the first error, with one job; returns a function that runs a command on it."""

    def run(words, jobcmd, **options) -> Tally:
        client.lifetime(1, 0, max_attempts=1)
        client.set({3: {"jobcmd": jobcmd}})
        return Worker(client, 0, words, **options).run()

    return run


def test_each_field_becomes_one_argument_without_a_shell(once, tmp_path, kept):
    out = tmp_path / "out"
    jobcmd = {"file": f"a b'\"; touch {tmp_path}/hacked $(touch {tmp_path}/hacked) *", "n": [1, {"x": None}], "-": "ü"}
    program = f"import sys, json; open({str(out)!r}, 'w').write(json.dumps(sys.argv[1:]))"
    words = [sys.executable, "-c", program.replace("{", "{{"), "{jobid}", "--in={jobcmd[file]}", "{jobcmd[n][0]}"]
    words += ["{jobcmd[n]}", "{jobcmd[-]}{{}}"]
    assert once(words, jobcmd, filename="{jobcmd[-]}/{jobid}.npy") == Tally(done=1)
    expected = ["3", f"--in={jobcmd['file']}", "1", '[1, {"x": null}]', "ü{}"]
    assert json.loads(out.read_text()) == expected
    assert not (tmp_path / "hacked").exists()
    assert kept(3)["filename"] == "ü/3.npy"


def test_a_command_line_in_one_text_is_split_into_words(once, tmp_path):
    assert once(f"touch '{tmp_path}/a b {{jobid}}'", None) == Tally(done=1)
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
def test_a_field_that_a_job_lacks_is_an_error_of_the_job(once, kept, text):
    assert once(["echo", text], {"a": [0, 1], "s": "text"}) == Tally(failed=1)
    assert kept(3)["error"].startswith(f"job 3 has no {text}")


def test_a_whole_jobcmd_of_text_is_itself_and_other_json_is_json():
    job = Job(3, "text", 0, 1, "claim", 1, None)
    assert Template("{jobcmd}|{jobid}").fill(job) == "text|3"
    assert Template("{jobcmd}").fill(Job(3, {"a": True}, 0, 1, "claim", 1, None)) == '{"a": true}'


def test_an_exit_code_is_stored_with_the_last_lines_of_stderr(once, kept, capfd):
    script = "i=0; while [ $i -lt 300 ]; do echo line $i >&2; i=$((i+1)); done; echo out; exit 7"
    assert once(["sh", "-c", script], None) == Tally(failed=1)
    error = kept(3)["error"]
    assert error.startswith("exit code 7: line 280\n")
    assert error.endswith("line 299")
    captured = capfd.readouterr()
    assert captured.out == "out\n"


def test_the_error_of_a_killed_command_names_the_signal(once, kept):
    assert once(["sh", "-c", "kill -9 $$"], None) == Tally(failed=1)
    assert kept(3)["error"] == "killed by SIGKILL"


def test_a_missing_program_is_an_error_before_any_job_is_claimed(client):
    with pytest.raises(BadTemplate, match="no program 'nixda'"):
        Worker(client, 0, "nixda {jobid}")
    with pytest.raises(BadTemplate, match="empty"):
        Worker(client, 0, "")
    with pytest.raises(BadTemplate, match="split"):
        Worker(client, 0, "echo 'open")


@pytest.mark.parametrize(("program", "argument"), [("nixda", "x"), ("echo", "a\x00b"), ("echo", "x" * 3_000_000)])
def test_a_command_that_cannot_be_started_is_an_error_of_the_job(once, kept, program, argument):
    assert once(["{jobcmd[0]}", "{jobcmd[1]}"], [program, argument]) == Tally(failed=1)
    assert kept(3)["error"].startswith(f"could not start {program}")


def test_commands_do_not_see_the_secret_key(once, monkeypatch, tmp_path):
    monkeypatch.setenv("JOBSERVER_JOBIX", "123456789")
    once(["sh", "-c", f"env > {tmp_path}/env"], None)
    assert "JOBSERVER_JOBIX" not in (tmp_path / "env").read_text()


def test_a_process_that_a_command_leaves_running_does_not_block_the_worker(once, tmp_path):
    began = time.monotonic()
    assert once(["sh", "-c", f"sleep 30 & echo $! > {tmp_path}/pid; exit 1"], None) == Tally(failed=1)
    assert time.monotonic() - began < 3
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_command_whose_claim_is_lost_is_killed_even_if_it_ignores_sigterm(client, take_back, monkeypatch, tmp_path):
    monkeypatch.setattr(command_module, "KILL_AFTER_S", 0.4)
    client.init([0, 0.02])
    client.set({3: {}})
    client.lifetime(1, 0.02, max_attempts=0)
    threading.Timer(0.3, take_back).start()
    pid = tmp_path / "pid"
    once = f"[ -e {pid} ] && exit 0; echo $$ > {pid}"
    script = f'{once}; trap "" TERM; while :; do sleep 0.05; done'
    began = time.monotonic()
    assert Worker(client, 0, ["sh", "-c", script]).run() == Tally(done=1, lost=1)
    assert 0.6 < time.monotonic() - began < 5
    assert not runs(int(pid.read_text()))
