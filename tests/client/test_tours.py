"""call.py and call2.py, run as they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.client.conftest import ROOT


@pytest.fixture
def python(terminal):
    """Runs a script of the top folder without our packages. Returns its output."""

    def run(script: str, expected: int = 0, **environment: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-I", str(ROOT / script)],
            env=terminal.environment | environment,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert ended.returncode == expected, ended.stderr
        return ended.stdout + ended.stderr

    return run


def test_the_tour_of_the_masters_calls_runs_and_runs_again(python, client):
    out = python("call.py")
    assert '"Accepted: 11 new, 0 known"' in out
    progress = client.progress()
    assert (progress.jobs, progress.stages[2].jobs, progress.stages[0].jobs) == (11, 1, 10)
    assert "Accepted: 0 new, 11 known" in python("call.py")


def test_the_smallest_worker_does_all_that_the_tour_has_set(python, client):
    python("call.py")
    out = python("call2.py")
    assert "Success, job 9 was updated to stage 4!" in out
    progress = client.progress()
    assert (progress.jobs, progress.done) == (11, 11)
    assert python("call2.py") == ""


@pytest.mark.parametrize("script", ["call.py", "call2.py"])
def test_without_a_server_the_scripts_print_one_clear_line(python, script):
    output = python(script, expected=1, JOBSERVER_URL="http://127.0.0.1:9")
    assert output.startswith("no server at http://127.0.0.1:9 (")
    assert output.count("\n") == 1


def test_a_refusal_shows_the_message_of_the_server(python):
    output = python("call.py", expected=1, JOBSERVER_JOBIX="-1")
    assert output.startswith("/init/0/10/0/40: ")
    assert "jobix" in output
