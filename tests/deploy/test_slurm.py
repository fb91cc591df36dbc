"""Workers in a real Slurm: the end of a batch job costs no attempt."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import JobClient
from tests.support.paths import ROOT
from tests.support.server import Server
from tests.support.slurm import Slurm, missing
from tests.support.until import until

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason="Slurm is not installed (on Debian, apt install slurm-wlm munge)"),
    pytest.mark.timeout(240),
]

WORK = f"{sys.executable} -m client work 0"
# It fails if a signal ends it: the worker must not count that.
COMMAND = "sh -c 'trap \"exit 3\" TERM; touch {folder}/runs; while :; do sleep 0.1; done'"
# As in docs/client.md: a shell handles a signal only when no command runs in the foreground.
BEHIND_A_TRAP = "{work} & worker=$!\ntrap 'kill -TERM $worker' TERM\nwait $worker; wait $worker"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A running Slurm."""
    running = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def client(server: Server, jobix: int) -> JobClient:
    """A client of a list with two jobs."""
    new_client = JobClient(server.url, jobix)
    new_client.init([0, 60])
    new_client.set({1: {}, 2: {}})
    return new_client


@pytest.fixture
def submit(slurm: Slurm, server: Server, jobix: int, client: JobClient, tmp_path: Path) -> Callable[..., str]:
    """Submits a worker; returns the id of its batch job when its command runs."""

    def submit_worker(script: str, *options: str) -> str:
        environment = {"JOBSERVER_URL": server.url, "JOBSERVER_JOBIX": str(jobix), "PYTHONPATH": str(ROOT)}
        job_id = slurm.submit(script, *options, **environment)
        until((tmp_path / "runs").exists, lambda: slurm.output(job_id) + slurm.logs(), within_s=30)
        return job_id

    return submit_worker


def given_back(slurm: Slurm, client: JobClient, job_id: str, within_s: float) -> str:
    """Waits for the end of the batch job. Returns its state."""
    until(
        lambda: slurm.state(job_id) not in ("", "RUNNING", "COMPLETING"),
        lambda: slurm.output(job_id) + slurm.logs(),
        within_s=within_s,
        pause_s=0.2,
    )
    progress = client.progress()
    state = slurm.state(job_id)
    assert (progress.available, progress.working, progress.flagged) == (2, 0, 0), f"{state}: {slurm.output(job_id)}"
    return state


def assert_no_failure_is_counted(client: JobClient, output: str) -> None:
    """One failure would be one too many: each job may fail once."""
    assert "1 given back" in output
    assert "failed" not in output
    client.lifetime(1, 60, max_attempts=2)
    for job in client.get_many(0, 2):
        assert not client.update(job, 0, error="the first failure").failed


def test_the_time_limit_of_slurm_ends_a_worker_and_costs_no_attempt(slurm, client, submit, tmp_path):
    job_id = submit(f"exec {WORK} -- {COMMAND.format(folder=tmp_path)}", "--time=1")
    assert given_back(slurm, client, job_id, 120) == "TIMEOUT"
    assert_no_failure_is_counted(client, slurm.output(job_id))


def test_a_signal_before_the_end_reaches_the_worker_behind_a_shell(slurm, client, submit, tmp_path):
    script = BEHIND_A_TRAP.format(work=f"{WORK} -- {COMMAND.format(folder=tmp_path)}")
    job_id = submit(script, "--time=2", "--signal=B:TERM@60")
    assert given_back(slurm, client, job_id, 120) == "FAILED"  # 143: it ended in order, before its limit
    assert_no_failure_is_counted(client, slurm.output(job_id))


def test_scancel_costs_no_attempt(slurm, client, submit, tmp_path):
    job_id = submit(f"exec {WORK} -- {COMMAND.format(folder=tmp_path)}", "--time=5")
    slurm.command("scancel", job_id)
    assert given_back(slurm, client, job_id, 30) == "CANCELLED"
    assert_no_failure_is_counted(client, slurm.output(job_id))


def test_stop_before_reads_the_end_of_the_slurm_job(slurm, client, submit, tmp_path):
    job_id = submit(f"exec {WORK} --stop-before 55s -- {COMMAND.format(folder=tmp_path)}", "--time=1")
    assert given_back(slurm, client, job_id, 90) == "COMPLETED"  # 27.5 s before its end
    output = slurm.output(job_id)
    assert "no further job is claimed" in output
    assert "the running job is given back" in output
    assert_no_failure_is_counted(client, output)
