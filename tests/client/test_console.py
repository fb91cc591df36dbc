"""jm as a console program: suggestions, completion, colours, JSON everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

import client as job_manager_client
from client.http.failures import printable


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("wach", "there is no command 'wach'. Did you mean watch? See `jm --help`"),
        ("xyzzy", "there is no command 'xyzzy'. See `jm --help`"),
        ("get 0 --jsno", "there is no option --jsno. Did you mean --json? See `jm get --help`"),
        ("get --wiat-s=3 0", "there is no option --wiat-s=3. Did you mean --wait-s? See `jm get --help`"),
        (
            "set a.json --jobix-fiel x",
            "there is no option --jobix-fiel. Did you mean --jobix-file? See `jm set --help`",
        ),
        ("get 0 1 2", "unexpected argument '2'. See `jm get --help`"),
        ("get", "the following arguments are required: stage. See `jm get --help`"),
        ("get 0 1 2 --wait-s 1", "unexpected argument '2'. See `jm get --help`"),
        ("completion csh", "argument shell: invalid choice: 'csh'"),
        ("--verson", "there is no option --verson. Did you mean --version? See `jm --help`"),
        ("-x", "there is no option -x. See `jm --help`"),
        ("--json", "a command is missing. See `jm --help`"),
        ("--nam foo init", "there is no option --nam. Did you mean --name? See `jm --help`"),
        ("--claim x watch", "there is no option --claim. See `jm watch --help`"),
        ("watch --claim x", "there is no option --claim. See `jm watch --help`"),
        ("get 0 --jso", "there is no option --jso. Did you mean --json? See `jm get --help`"),
        ("init --requeu 0 10", "there is no option --requeu. Did you mean --requeue? See `jm init --help`"),
        ("update --clam x 1 2", "there is no option --clam. Did you mean --claim? See `jm update --help`"),
        ("help", "there is no command 'help'. Did you mean --help? See `jm --help`"),
        ("status", "there is no command 'status'. Did you mean watch? See `jm --help`"),
        ("run 0 -- true", "there is no command 'run'. Did you mean work? See `jm --help`"),
    ],
)
def test_a_mistyped_word_gets_a_suggestion(run, arguments, expected):
    code, out, err = run(*arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {expected}")
    assert len(err.splitlines()) == 1


def test_without_words_the_help_is_shown(run):
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err.startswith("usage: jm ")
    assert "watch" in err


def test_the_version_is_the_servers(run):
    from jobserver.core.version import __version__

    assert run("--version") == (0, f"job_manager {__version__}\n", "")


def complete_in_bash(script: str, *arguments: str) -> set[str]:
    """The completions that bash offers after these words."""
    code = f"""{script}
COMP_WORDS=({" ".join(f"'{word}'" for word in arguments)})
COMP_CWORD={len(arguments) - 1}
$(complete -p jm | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=20, check=True)
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_files(run, tmp_path):
    script = run("completion", "bash")[1]
    assert complete_in_bash(script, "jm", "wa") == {"watch"}
    assert {"init", "set", "work", "login"} <= complete_in_bash(script, "jm", "")
    assert complete_in_bash(script, "jm", "get", "--wa") == {"--wait-s"}
    assert complete_in_bash(script, "jm", "completion", "f") == {"fish"}
    (tmp_path / "jobs.json").touch()
    assert complete_in_bash(script, "jm", "set", "job") == {"jobs.json"}


@pytest.mark.parametrize(("shell", "start"), [("zsh", "#compdef jm"), ("fish", "complete ")])
def test_zsh_and_fish_have_a_script_with_all_commands(run, shell, start):
    code, script, _ = run("completion", shell)
    assert code == 0
    assert start in script
    for word in ("watch", "login", "wait-s"):
        assert word in script


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_errors_are_coloured_in_a_terminal_unless_no_color_is_set(terminal, environment, coloured):
    terminal.environment.pop("NO_COLOR", None)
    terminal.environment |= environment
    code, output = terminal.run_in_a_pty("get", "1")
    assert code == 3
    assert ("\x1b[1;31merror:" in output) == coloured
    assert "error:" in output


def test_a_short_command_in_a_terminal_gives_up_soon(terminal):
    terminal.environment["JOBSERVER_URL"] = "http://127.0.0.1:9"
    process = terminal.start("get", "0")
    assert "retrying for 300 s" in process.stderr.readline()
    process.kill()
    started = time.monotonic()
    code, output = terminal.run_in_a_pty("get", "0")
    assert code == 5
    assert "retrying for 10 s" in output
    assert time.monotonic() - started < 20


def test_nothing_is_coloured_outside_of_a_terminal(terminal):
    assert "\x1b" not in terminal.run("get", "1")[2]


def test_every_command_that_prints_data_has_json(run, client, jobix, tmp_path):
    def parsed(*arguments: str) -> object:
        code, out, _ = run(*arguments, "--json")
        assert code == 0
        return json.loads(out)

    assert parsed("init", "0", "10")[1] == {
        "stage": 1, "minutes": 10.0, "requeue": 0, "max_attempts": 5, "backoff_s": 5.0, "retry_for_s": 0.0,
    }  # fmt: skip
    (tmp_path / "jobs.json").write_text("[1, 2]")
    assert parsed("set", "jobs.json") == {"new": 2, "known": 0, "different": 0, "different_jobs": []}
    job = parsed("get", "0")
    assert parsed("update", "0", "2", "--claim", job["claim"])["jobstage"] == 2
    assert parsed("check") == {"ok": True, "flagged": 0, "degraded": 0}
    assert parsed("lifetime", "1")["minutes"] == 10
    assert str(jobix) not in str(parsed("context"))
    client.update(client.get(0), 2)
    assert parsed("watch")["done"] == 2


def test_work_prints_its_counts_as_json_after_the_output_of_the_commands(terminal, client):
    client.set({1: {}, 2: {}})
    code, out, _ = terminal.run("work", "0", "--json", "--", "echo", "{jobid}")
    *lines, counts = out.splitlines()
    assert (code, sorted(lines)) == (0, ["1", "2"])
    assert json.loads(counts) == {
        "done": 2,
        "failed": 0,
        "given_back": 0,
        "lost": 0,
        "cancelled": 0,
        "signum": None,
    }


def test_the_folder_works_under_the_name_of_the_installed_package(terminal, client, tmp_path):
    """The installed package has another name, so every import within it must be relative."""
    client.init()
    os.symlink(Path(job_manager_client.__file__).parent, tmp_path / "job_manager_client")
    terminal.environment["PYTHONPATH"] = str(tmp_path)
    process = terminal.start_python("-m", "job_manager_client", "lifetime", "1", "--json")
    out, err = process.communicate(timeout=10)
    assert (json.loads(out)["stage"], err) == (1, "")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("plain ünïcode 日本", "plain ünïcode 日本"),
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b[2J\x00\x7f\x9b\u202e", "\ufffd[2J" + "\ufffd" * 4),
    ],
)
def test_control_characters_are_replaced(text, output):
    assert printable(text) == output
