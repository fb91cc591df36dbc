"""jm cancel, skip, delete and retry."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def ten(client):
    """A client with ten jobs."""
    client.init([0, 10])
    client.set({jobid: {"jobcmd": f"{jobid}.fits"} for jobid in range(1, 11)})
    return client


def test_cancel_names_the_refused_jobs_and_exits_with_one(run, ten):
    assert run("cancel", "1", "2", "--yes") == (0, "2 jobs cancelled\n", "")
    job = ten.get(0)
    out = run("cancel", str(job.jobid), "--yes")[1]
    assert out == "0 jobs cancelled, 1 running: stopped by the worker at the next heartbeat\n"
    code, out, err = run("cancel", "1", "99", "--yes")
    assert (code, out) == (1, "0 jobs cancelled\n")
    assert err == "warning: Job 1 was cancelled already\nwarning: This list has no job 99\n"


def test_a_claim_protects_a_later_one(run, ten):
    first = ten.get(0)
    ten.update(first, 0)
    second = ten.get(0)
    assert second.jobid == first.jobid
    code, _, err = run("cancel", "1", "--claim", first.claim, "--yes")
    ended = "warning: Job 1 has changed: the claim that you chose has ended; it is in stage 1 now, attempt 2\n"
    assert (code, err) == (1, ended)
    assert run("cancel", "--all", "--claim", first.claim, "--yes")[0] == 2
    assert run("cancel", "1", "--claim", second.claim, "--yes")[0] == 0


def test_skip_lets_the_list_reach_a_hundred_percent(run, ten):
    for _ in range(9):
        ten.update(ten.get(0), 2)
    assert run("skip", "--state", "available", "--yes") == (0, "1 job skipped\n", "")
    assert ten.progress().percent == 100
    assert run("retry", "10", "--json")[0] == 1
    assert json.loads(run("retry", "10", "--done", "--yes", "--json")[1]) == {"jobs": 1, "requested": 0, "refused": []}
    assert ten.get(0).jobid == 10


def test_delete_and_retry(run, ten):
    assert run("delete", "--text", "7.FITS", "--yes")[1] == "1 job deleted\n"
    assert run("cancel", "--stage", "0", "--yes")[1] == "9 jobs cancelled\n"
    assert run("retry") == (0, "9 jobs retried\n", "")
    assert ten.progress().available == 9


def test_a_destructive_command_without_a_terminal_needs_yes(run, ten):
    for verb in ("cancel", "skip", "delete"):
        code, out, err = run(verb, "1")
        assert (code, out) == (2, "")
        assert "needs --yes" in err
    assert run("retry", "--all", "--done")[0] == 2
    assert ten.progress().available == 10


def test_a_terminal_asks_first(terminal, ten):
    for answer, available in (("n", 10), ("y", 9)):
        code, output = terminal.run_in_a_pty("delete", "3", typed=f"{answer}\n")
        assert f"Delete job 3 of list {ten.progress().name}? [y/N]" in output
        assert code == (0 if available == 9 else 1)
        assert ten.progress().available == available


@pytest.mark.parametrize(
    "words",
    [["cancel"], ["skip", "1", "--all"], ["delete", "--state", "failed", "--all"], ["retry", "1", "--stage", "0"]],
)
def test_a_selection_is_required_and_unambiguous(run, ten, words):
    code, out, err = run(*words, "--yes")
    assert (code, out) == (2, "")
    assert "ids" in err
    assert ten.progress().available == 10


def test_a_job_object_is_changed_only_in_its_claim(ten):
    job = ten.get(0)
    ten.update(job, 0)
    ten.get(0)
    changes = ten.cancel([job])
    assert (changes.jobs, changes.requested, changes.refused[0].status) == (0, 0, 409)
