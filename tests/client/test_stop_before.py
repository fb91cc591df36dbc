"""`--stop-before`: a worker that stops before its batch job ends. tests/deploy/test_slurm.py has the real Slurm."""

from __future__ import annotations

import time

import pytest

from client import NoBatchJob, Worker
from client.worker.batch_system import find_end, stop_times

OPTIONS = ["--stop-before", "3s"]
FUNCTION = """
import os, time
from client import JobClient, Worker
client = JobClient(os.environ["JOBSERVER_URL"], int(os.environ["JOBSERVER_JOBIX"]))
print(Worker(client, 0, lambda job: time.sleep(60), stop_before_s=3).run())
"""


def ended(process) -> tuple[int, str, str]:
    """The exit code, stdout and stderr."""
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_the_running_job_may_finish_and_no_other_is_claimed(client, terminal):
    client.set({1: {}, 2: {}})
    end = int(time.time()) + 14
    process = terminal.start("work", "0", "--stop-before", "10s", "--", "sleep", "5", SLURM_JOB_END_TIME=str(end))
    code, _, err = ended(process)
    assert (code, err.splitlines()[-1]) == (0, "1 done")
    assert "no further job is claimed" in err
    assert time.time() < end
    progress = client.progress()
    assert (progress.done, progress.available, progress.working) == (1, 1, 0)


@pytest.mark.parametrize("kind", ["command", "function"])
def test_a_job_that_does_not_finish_is_given_back_before_the_end(client, terminal, job_row, kind):
    client.set({1: {}})
    end = {"SLURM_JOB_END_TIME": str(int(time.time()) + 5)}
    if kind == "command":
        process = terminal.start("work", "0", *OPTIONS, "--", "sleep", "60", **end)
    else:
        process = terminal.start_python("-c", FUNCTION, **end)
    code, out, err = ended(process)
    assert code == 0
    assert "the running job is given back" in err
    assert "1 given back" in err or "given_back=1, lost=0, cancelled=0, signum=None" in out
    assert time.time() < int(end["SLURM_JOB_END_TIME"])
    row = job_row(1)
    assert (row["jobstage"], row["failures"], row["error"]) == (0, 0, None)


def test_a_worker_that_waits_ends_when_the_time_comes(client, terminal):
    client.set({1: {}})
    client.get(0)
    code, _, err = ended(
        terminal.start("work", "0", *OPTIONS, "--", "true", SLURM_JOB_END_TIME=str(int(time.time()) + 5))
    )
    assert (code, err.splitlines()[-1]) == (0, "0 done")


def test_a_worker_that_starts_too_late_claims_nothing(client, terminal):
    client.set({1: {}})
    code, _, err = terminal.run("work", "0", *OPTIONS, "--", "true", SLURM_JOB_END_TIME=str(int(time.time()) + 1))
    assert (code, client.progress().available) == (0, 1)
    assert "no further job is claimed" in err


def test_outside_of_a_batch_job_the_error_names_what_was_looked_for(run, monkeypatch):
    for name in ("SLURM_JOB_END_TIME", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = run("work", "0", "--stop-before", "5m", "--", "true")
    assert code == 2
    assert "SLURM_JOB_END_TIME and SLURM_JOB_ID are not set" in err


@pytest.mark.parametrize("value", ["5", "m", "5 m", "5d", "-5m", "5,5m"])
def test_a_duration_needs_a_unit(run, value):
    code, _, err = run("work", "0", f"--stop-before={value}", "--", "true")
    assert code == 2
    assert "is not a duration: write 90s, 5m or 1h" in err


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("JobId=7 StartTime=2026-01-02T03:04:05 EndTime=2026-01-02T04:04:05 Deadline=N/A", "2026-01-02T04:04:05"),
        ("JobId=7 EndTime=Unknown", None),
        ("JobId=7 EndTime=2026-01-02", None),
        ("LastSchedEval=2026-01-02T04:04:05", None),
    ],
)
def test_the_end_is_read_from_scontrol_if_the_variable_is_not_set(tmp_path, monkeypatch, output, expected):
    program = tmp_path / "scontrol"
    program.write_text(f'#!/bin/sh\n[ "$*" = "show job 7" ] && echo "{output}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if expected is None:
        with pytest.raises(NoBatchJob, match="the end of Slurm job 7 is unknown"):
            find_end({"SLURM_JOB_ID": "7"})
    else:
        assert time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(find_end({"SLURM_JOB_ID": "7"}))) == expected


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLURM_JOB_END_TIME": "soon"}, "SLURM_JOB_END_TIME is 'soon', not a number"),
        ({"SLURM_JOB_ID": "7; rm -rf /"}, "not a number"),
        ({"SLURM_JOB_ID": "7"}, "cannot be read .*scontrol"),
    ],
)
def test_an_unknown_end_is_an_error(environment, message, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBatchJob, match=message):
        find_end(environment)


def test_the_running_job_is_given_back_30_s_before_the_end_or_at_half_of_a_shorter_time():
    end = {"SLURM_JOB_END_TIME": "1000000"}
    assert stop_times(600, end).no_job_after == 1_000_000 - 600
    assert stop_times(600, end).give_back_at == 1_000_000 - 30
    assert stop_times(20, end).give_back_at == 1_000_000 - 10


def test_worker_takes_stop_before_s(client, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(NoBatchJob):
        Worker(client, 0, lambda job: None, stop_before_s=60)
