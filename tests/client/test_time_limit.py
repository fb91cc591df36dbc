"""The time limit of a job, and attempts that must not be repeated."""

from __future__ import annotations

import re
import time

import pytest

from client import DoNotRetry, JobClient, Tally, Worker
from client.api.types import Job
from client.worker.time_limit import describe
from tests.client.conftest import is_running


@pytest.fixture
def limited(client):
    """A client of a list with a time limit of 0.9 s in stage 1, where jobs that reach it are flagged."""
    client.init([0, 0.015], requeue=None)
    client.lifetime(1, 0.015, max_attempts=1)
    return client


def test_a_command_ends_at_its_time_limit_although_its_claim_is_renewed(limited, job_row, tmp_path):
    limited.set({1: {}})
    began = time.monotonic()
    script = f"echo $$ > {tmp_path}/pid; echo half done >&2; exec sleep 60"
    assert Worker(limited, 0, ["sh", "-c", script]).run().done == 0
    assert 0.8 < time.monotonic() - began < 4
    assert not is_running(int((tmp_path / "pid").read_text()))
    row = job_row(1)
    assert (row["jobstage"], row["failures"], row["condition"]) == (1, 1, "timeout")


def test_the_report_of_a_timeout_has_the_limit_and_the_end_of_stderr(client, job_row):
    """The limit is reached in the worker alone: the server's limit becomes longer after the claim."""
    client.init([0, 0.015])
    client.lifetime(1, 0.015, max_attempts=1)
    client.set({1: {}})
    script = "echo half done >&2; exec sleep 60"

    class Longer(JobClient):
        """A client whose list gets a longer lifetime after the first claim."""

        def claim(self, *arguments, **options):
            jobs = super().claim(*arguments, **options)
            client.lifetime(1, 60, max_attempts=1)
            return jobs

    longer = client.with_options()
    longer.__class__ = Longer
    assert Worker(longer, 0, ["sh", "-c", script]).run() == Tally(failed=1)
    assert re.fullmatch(r"time limit of 0\.(8|9)\d* seconds reached: half done", job_row(1)["error"])
    assert job_row(1)["condition"] == "timeout"


@pytest.mark.parametrize("raises", [False, True])
def test_a_function_is_stopped_at_its_time_limit_and_its_result_is_not_used(limited, job_row, raises):
    limited.set({1: {}})
    stopped = []

    def work(job):
        stopped.append(job.stopped.wait(10))
        if raises:
            raise KeyError("stopped")
        return "half a result"

    assert Worker(limited, 0, work).run().done == 0
    assert stopped == [True]
    assert (job_row(1)["result"], job_row(1)["condition"]) == (None, "timeout")


def test_the_next_job_of_a_worker_has_a_time_limit_of_its_own(limited):
    limited.set({1: {}, 2: {}, 3: {}})
    stopped = []
    tally = Worker(limited, 0, lambda job: stopped.append(job.stopped.wait(10 if job.jobid == 2 else 0.1))).run()
    assert tally.done == 2
    assert stopped == [False, True, False]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0.9 seconds"),
        (60.0, "60 seconds"),
        (599.98, "10 minutes"),
        (3600, "60 minutes"),
        (9000, "2.5 hours"),
        (172800, "48 hours"),
    ],
)
def test_a_time_limit_is_described_in_suitable_units(seconds, text):
    job = Job(1, None, 0, 1, "claim", 1, None, time_limit_s=seconds)
    assert describe(job) == f"time limit of {text} reached"


@pytest.mark.parametrize(
    ("options", "code", "failures"), [([], 65, 1), ([], 64, 5), (["--no-retry-exit-code", "3"], 3, 1)]
)
def test_a_command_can_say_that_another_attempt_would_fail_too(client, terminal, job_row, options, code, failures):
    client.set({1: {}})
    terminal.run("work", "0", *options, "--", "sh", "-c", f"echo bad header >&2; exit {code}")
    row = job_row(1)
    assert (row["failures"], row["outcome"]) == (failures, "failed")
    assert row["error"] == f"exit code {code}: bad header"


def test_a_function_can_say_that_another_attempt_would_fail_too(client, job_row):
    client.set({1: {}})

    def work(job):
        raise DoNotRetry("no header")

    assert Worker(client, 0, work).run() == Tally(failed=1)
    row = job_row(1)
    assert (row["failures"], row["outcome"]) == (1, "failed")
    assert "DoNotRetry: no header (test_time_limit.py, line " in row["error"]


@pytest.mark.parametrize("value", ["0", "256", "-1", "x"])
def test_an_invalid_exit_code_is_refused(run, value):
    code, _, err = run("work", "0", "--no-retry-exit-code", value, "--", "true")
    assert code == 2
    assert "from 1 to 255" in err
