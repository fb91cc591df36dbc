"""Commands that jm prints as hints work when they are pasted."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.client.conftest import write_secret


def run_pasted(terminal, output: str) -> subprocess.CompletedProcess[str]:
    """Runs, in a shell, the command that was printed between backquotes or after `when done:`."""
    command = re.search(r"(?:`|when done: )([^`\n]+ -m client [^`\n]+)", output)[1]
    return subprocess.run(
        command, shell=True, cwd=terminal.folder, env=terminal.environment, capture_output=True, text=True, timeout=20
    )


@pytest.fixture
def bare_terminal(terminal, url, jobix):
    """A terminal whose environment names no server and no list; the options name them."""
    write_secret(terminal.folder / "my secret", jobix)
    del terminal.environment["JOBSERVER_JOBIX"], terminal.environment["JOBSERVER_URL"]
    terminal.options = ("--url", url, "--jobix-file", "my secret")
    return terminal


@pytest.fixture
def expired(client, until):
    """Lets job 1 of a new list expire in stage 1, without a requeue."""
    client.init([0, 0.0001], requeue=None)
    client.set({1: {}})
    client.get(0)
    until(lambda: client.check_stages().flagged == 1)


def test_the_update_command_that_get_prints_works_when_pasted(bare_terminal, client):
    client.set({1: {}})
    code, out, _ = bare_terminal.run("get", "0", *bare_terminal.options)
    assert code == 0
    ended = run_pasted(bare_terminal, out)
    assert ended.stdout == "Success, job 1 was updated to stage 2!\n", ended.stderr


def test_hints_do_not_contain_a_secret_key_that_was_an_option(terminal, client, jobix):
    client.set({1: {}})
    _, out, err = terminal.run("get", "0", "--jobix", str(jobix))
    assert "when done" in out
    assert str(jobix) not in out + err


def test_check_prints_the_command_that_retries_expired_jobs(bare_terminal, client, expired):
    code, out, err = bare_terminal.run("check", *bare_terminal.options)
    assert (code, out) == (1, "1 flagged\n")
    assert err.startswith("1 expired: `")
    assert run_pasted(bare_terminal, err).stdout == "no job is overdue or failed, 1 moved back to stage 0\n"
    assert client.progress().available == 1


def test_work_prints_the_command_that_retries_expired_jobs(bare_terminal, expired):
    code, _, err = bare_terminal.run("work", "0", *bare_terminal.options, "--", "true")
    assert code == 0
    assert err.startswith("0 done\n1 expired: `")
    assert run_pasted(bare_terminal, err).returncode == 0


def test_watch_prints_the_command_that_retries_expired_jobs(terminal, client, expired):
    process = terminal.start("watch")
    output = "".join(process.stdout.readline() for _ in range(3))
    assert "0/1 done, 1 working, 1 expired\n" in output
    assert run_pasted(terminal, output).returncode == 0
    client.update(client.get(0), 2)
    assert process.wait(10) == 0


def test_watch_prints_that_command_in_a_terminal_too(terminal, client):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}})
    client.update(client.get(0), 0, error="broken")
    code, output = terminal.run_in_a_pty("watch")
    assert code == 1
    assert "1 failed: `" in output


def test_init_names_existing_lifetimes_and_how_to_change_them(bare_terminal):
    bare_terminal.run("init", "0", "10", "--backoff-s", "0", *bare_terminal.options)
    code, out, _ = bare_terminal.run("init", "0", "99.5", "0", *bare_terminal.options)
    lines = out.splitlines()
    assert (code, lines[0], lines[2]) == (0, "stage 0: no limit", "stage 2: no limit")
    assert lines[1].startswith("stage 1: 10 minutes, then back to stage 0, at most 5 attempts (was set before: `")
    assert "lifetime 1 99.5 " in lines[1]
    assert run_pasted(bare_terminal, out).stdout == "stage 1: 99.5 minutes, then back to stage 0, at most 5 attempts\n"


def test_a_lifetime_that_the_server_rounds_is_not_reported_as_different(bare_terminal):
    _, out, _ = bare_terminal.run("init", "0", "0.000001", "0", "0.3333333", *bare_terminal.options)
    assert "was set before" not in out


@pytest.mark.parametrize(
    "arguments", [("watch",), ("get", "0"), ("get", "0", "--json"), ("check",), ("lifetime", "1"), ("update", "0", "2")]
)
def test_a_jobix_of_no_list_is_an_error(terminal, arguments):
    code, out, err = terminal.run(*arguments)
    assert (code, out) == (4, "")
    assert err == "error: this server has no list with this jobix. Check the key, or create a list with `jm init`\n"


def test_an_update_of_a_job_that_the_list_lacks_is_refused(terminal, client):
    client.init()
    code, _, err = terminal.run("update", "1", "2")
    assert (code, "no job 1" in err) == (3, True)


def test_work_warns_about_a_jobix_of_no_list_before_it_waits(terminal):
    process = terminal.start("work", "0", "--forever", "--", "true")
    assert "warning: this server has no list with this jobix" in process.stderr.readline()
    assert process.poll() is None


def test_an_update_without_its_claim_is_an_error_that_names_the_option(terminal, client):
    client.set({1: {}})
    client.get(0)
    code, _, err = terminal.run("update", "1", "2")
    assert code == 3
    assert err == "error: job 1 is held by a worker. Give its claim: --claim TOKEN (printed by `jm get`)\n"
    _, _, err = terminal.run("update", "1", "2", "--claim", "0" * 32)
    assert "--claim" not in err
