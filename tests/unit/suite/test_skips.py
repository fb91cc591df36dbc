"""A test that cannot run: the last line names it, and REQUIRE_ALL=1 makes it fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

CONFTEST = "from tests.support.skips import *"
TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.parametrize("number", [1, 2])
def test_needs_a_browser(number):
    pytest.skip("no Chromium (apt-get install chromium)")

@pytest.mark.skipif(True, reason="no compiler (apt-get install gcc)")
def test_needs_a_compiler():
    pass
"""
EXPECTED_FAILURE = """
import pytest

@pytest.mark.xfail(reason="known fault")
def test_expected_failure():
    assert PASSES
"""
SKIPPED_FILE = "import pytest\npytest.skip('no such module', allow_module_level=True)"


@pytest.fixture
def run(tmp_path: Path):
    """Runs pytest on one test file, in a new folder."""

    def call(tests: str, require_all: bool, *options: str) -> subprocess.CompletedProcess[str]:
        tmp_path.joinpath("conftest.py").write_text(CONFTEST)
        tmp_path.joinpath("test_it.py").write_text(tests)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(tmp_path)],
            env=os.environ | {"REQUIRE_ALL": "1" if require_all else "", "PYTHONPATH": str(ROOT)},
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return call


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_one_line_lists_the_tests_that_did_not_run(run, options):
    done = run(TESTS, False, *options)
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("NOT RUN")]
    assert line == ("NOT RUN: 3 tests. 2: no Chromium (apt-get install chromium); 1: no compiler (apt-get install gcc)")


def test_no_line_is_printed_when_all_tests_ran(run):
    assert "NOT RUN" not in run("def test_runs(): pass", False).stdout


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_require_all_fails_each_skip(run, options):
    done = run(TESTS, True, *options)
    assert done.returncode == 1
    assert "2 failed, 1 passed, 1 error" in done.stdout  # a test with the mark fails in its set-up
    assert "apt-get install chromium" in done.stdout


@pytest.mark.parametrize("passes", [True, False])
def test_require_all_fails_an_expected_failure(run, passes):
    tests = EXPECTED_FAILURE.replace("PASSES", str(passes))
    assert run(tests, False).returncode == 0
    done = run(tests, True)
    assert done.returncode == 1
    assert "1 failed" in done.stdout


def test_require_all_fails_a_skipped_file(run):
    assert run(SKIPPED_FILE, False).returncode == 5  # no test was collected
    done = run(SKIPPED_FILE, True)
    assert done.returncode == 2
    assert "no such module" in done.stdout
