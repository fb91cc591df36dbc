"""Options of jm: their position, and the options of init, lifetime and work."""

from __future__ import annotations

import re

import pytest

import client.__main__
from client import JobClient
from client.cli.parser import parse
from tests.client.conftest import ROOT, write_secret


def test_a_new_list_returns_the_job_of_a_killed_worker(run, client, until):
    code, out, _ = run("init", "0", "0.0001", "0.5", "40", "0", "0")
    assert code == 0
    assert out.splitlines()[1].startswith("stage 1: 0.006 s, then back to stage 0, at most 5 attempts")
    assert [client.lifetime(stage).requeue for stage in range(6)] == [None, 0, None, 2, None, 4]
    client.set({1: {}})
    assert client.get(0).attempt == 1
    until(lambda: client.progress().available == 1)


@pytest.mark.parametrize(("value", "stages"), [("below", [0, 2]), ("0", [0, 0]), ("none", [None, None])])
def test_init_takes_the_stage_that_jobs_return_to(run, client, value, stages):
    assert run("init", "0", "10", "0", "10", "--requeue", value)[0] == 0
    assert [client.lifetime(stage).requeue for stage in (1, 3)] == stages


@pytest.mark.parametrize("before", [0, None])
def test_init_leaves_a_stage_that_was_set_before(client, before):
    client.lifetime(3, 10, requeue=before)
    client.init([0, 10, 0, 10])
    assert (client.lifetime(1).requeue, client.lifetime(3).requeue) == (0, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("init 0 10 0 10 --requeue 2", "jobs of stage 1 cannot return to stage 2: choose an even stage below"),
        ("init 0 10 --requeue 1", "jobs of stage 1 cannot return to stage 1: choose an even stage below"),
        ("init --requeue 0 10", "requeue is about odd stages: give the lifetime of stage 1 too, for example 0 10"),
        ("lifetime 1 10 --requeue 2", "jobs of stage 1 cannot return to stage 2: choose an even stage below"),
        ("lifetime 0 10 --requeue below", "stage 0 has no stage below that its jobs could return to: give none"),
    ],
)
def test_a_requeue_to_a_wrong_stage_changes_nothing(run, client, arguments, message):
    assert run(*arguments.split()) == (2, "", f"error: {message}\n")
    assert client.progress().name == ""


def test_setting_only_requeue_or_attempts_keeps_the_minutes(run):
    run("lifetime", "1", "20")
    line = "stage 1: 20 minutes, then back to stage 0, at most 5 attempts\n"
    assert run("lifetime", "1", "--requeue", "0") == (0, line, "")
    assert run("lifetime", "1", "--max-attempts", "2")[1] == line.replace("5", "2")
    assert run("lifetime", "1", "30")[1] == line.replace("5", "2").replace("20", "30")


@pytest.mark.parametrize(("minutes", "shown"), [("0.1", "6 s"), ("1", "1 minute"), ("1.5", "1.5 minutes")])
def test_a_lifetime_is_shown_in_minutes_or_seconds(run, minutes, shown):
    output = run("lifetime", "1", minutes, "--max-attempts", "1")[1]
    assert output == f"stage 1: {shown}, then flagged, at most 1 attempt\n"


def test_requeue_none_flags_expired_jobs(run, client):
    client.init([0, 20])
    assert run("lifetime", "1", "--requeue", "none")[1] == "stage 1: 20 minutes, then flagged, at most 5 attempts\n"
    assert client.lifetime(1).requeue is None
    assert "then back to stage 0" in run("lifetime", "1", "--requeue", "below")[1]


def test_a_stage_without_a_lifetime_is_described_as_no_limit(run, client):
    client.init()
    assert run("lifetime", "99")[1] == "stage 99: no limit, at most 5 attempts\n"
    assert run("lifetime", "2")[1] == "stage 2: no limit\n"
    assert run("lifetime", "99", "0", "--max-attempts", "0")[1] == "stage 99: no limit, unlimited attempts\n"


@pytest.mark.parametrize(
    "arguments",
    [
        "lifetime --requeue 0 --max-attempts 3 1 20",
        "lifetime 1 --requeue 0 20 --max-attempts 3",
        "lifetime 1 --requeue 0 --max-attempts 3 20",
        "lifetime 1 20 --max-attempts 3 --requeue 0",
    ],
)
def test_options_may_stand_anywhere_after_the_command(run, arguments):
    expected = (0, "stage 1: 20 minutes, then back to stage 0, at most 3 attempts\n", "")
    assert run(*arguments.split()) == expected


def test_common_options_may_stand_before_the_command_and_between_its_words(run, url, jobix, tmp_path):
    write_secret(tmp_path / "s", jobix)
    before = ("--url", "http://127.0.0.1:9", "--retry-for-s", "0")
    assert run(*before, "init", "0", "--url", url, "10", "--jobix-file", "s", "0", "20")[0] == 0
    assert JobClient(url, jobix).lifetime(3).minutes == 20
    assert run("--jobix-file", "s", "--url", url, "get", "0", "--json", "1")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (
            "--json lifetime 2",
            '{"stage": 2, "minutes": 0.0, "requeue": null, "max_attempts": 5, "backoff_s": 0.0, "retry_for_s": 0.0}',
        ),
        ("--requeue none init 0 10", "stage 1: 10 minutes, then flagged"),
        ("--requeue 0 lifetime 1 20", "stage 1: 20 minutes, then back to stage 0"),
        ("--wait-s 0 get 0", "jobid: 1"),
        ("--wait-s=0 get 0", "jobid: 1"),
        ("--forever --wait-s 1 work --help", "usage: jm "),
        ("--help watch", "usage: jm [-h]"),
        ("--version watch", "job_manager "),
    ],
)
def test_the_options_of_a_command_may_stand_before_it(run, client, arguments, output):
    client.set({1: {}})
    code, out, err = run(*arguments.split())
    assert (code, err) == (0, "")
    assert output in out


def test_a_word_that_is_a_command_may_be_the_value_of_an_option_before_the_command():
    arguments = parse(["--name", "watch", "init", "0", "10"])
    assert (arguments.command, arguments.name, arguments.minutes) == ("init", "watch", [0, 10])


def test_the_help_of_a_command_names_the_connection_options_in_one_line(run):
    help_of_get = run("get", "--help")[1]
    assert help_of_get.endswith("\nconnection options: see `jm --help`\n")
    assert "--ca-file" not in help_of_get
    assert "--ca-file" in run("--help")[1]


def test_the_help_lists_the_commands_in_the_order_of_their_use(run):
    commands = re.findall(r"^    (\w+) ", run("--help")[1], re.M)
    assert commands[:5] == ["init", "login", "set", "work", "watch"]


@pytest.mark.parametrize("arguments", [["set"], ["set", "a.csv", "--files", "*"]])
def test_set_takes_a_file_or_a_pattern(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "set takes a file, or --files PATTERN" in err


def test_an_invalid_requeue_is_an_error_that_names_the_possible_values(run):
    code, _, err = run("lifetime", "1", "--requeue", "nothing")
    assert code == 2
    assert "'nothing' is none of: a stage, below, none" in err


def test_the_help_of_work_shows_where_the_command_goes(run):
    assert "work [options] stage [working_stage] -- COMMAND …\n" in run("work", "--help")[1]


def test_every_command_option_variable_and_exit_code_is_in_the_reference(run):
    reference = (ROOT / "docs" / "client.md").read_text()
    described = client.__main__.__doc__
    help_text = run("--help")[1]
    commands = re.findall(r"^    (\w+) ", help_text, re.M)
    assert len(commands) > 12
    for command in commands:
        row = re.search(rf"^\| `{command}\b.*", reference, re.M)
        assert row
        options = set(re.findall(r"--[a-z-]+", run(command, "--help")[1])) - {"--help"}
        assert [option for option in options if not re.search(rf"[`\[ ]{option}\b", reference)] == []
    for code in re.findall(r"^  (\d+) ", described, re.M):
        assert f"\n| {code} |" in reference


def test_init_sets_a_pause_after_failures_of_odd_stages(run, client):
    line = "stage 1: 10 minutes, then back to stage 0, at most 5 attempts, a pause of 5 s after the first failure"
    assert line in run("init", "0", "10")[1].splitlines()
    assert [client.lifetime(stage).backoff_s for stage in (0, 1, 2)] == [0, 5, 0]
    client.lifetime(1, backoff_s=0)
    assert run("init", "0", "10")[0] == 0
    assert client.lifetime(1).backoff_s == 0  # set before


def test_init_without_a_pause(run, client):
    assert "pause" not in run("init", "0", "10", "--backoff-s", "0")[1]
    assert client.lifetime(1).backoff_s == 0


def test_the_pause_and_the_time_for_retries_can_be_set_alone(run, client):
    run("lifetime", "1", "20", "--requeue", "0")
    line = "stage 1: 20 minutes, then back to stage 0, at most 5 attempts, a pause of 0.5 s after the first failure"
    assert run("lifetime", "1", "--backoff-s", "0.5") == (0, line + "\n", "")
    assert run("lifetime", "1", "--retry-budget-s", "3600")[1] == line + ", retries for 60 minutes\n"
    assert (client.lifetime(1).backoff_s, client.lifetime(1).retry_for_s) == (0.5, 3600)
    assert client.lifetime(1, 30, backoff_s=0, retry_for_s=0) == client.lifetime(1)
    assert run("lifetime", "1")[1] == "stage 1: 30 minutes, then back to stage 0, at most 5 attempts\n"


@pytest.mark.parametrize("value", ["-1", "nan", "many"])
def test_a_wrong_pause_is_refused_before_a_request(run, value):
    code, _, err = run("lifetime", "1", f"--backoff-s={value}")
    assert code == 2
    assert "--backoff-s" in err
