"""SIGTERM and SIGINT end a worker without leaving claims."""

from __future__ import annotations

import signal
import time

import pytest

from client import JobClient
from tests.client.conftest import is_running
from tests.client.lossy_proxy import LossyProxy
from tests.support.paths import ROOT

WORKER = """
import sys, time
from client import JobClient, Worker
import os
def work(job):
    print("working", flush=True)
    time.sleep(float(sys.argv[1]))
    return "done"
client = JobClient(os.environ["JOBSERVER_URL"], int(os.environ["JOBSERVER_JOBIX"]), retry_for_s=3)
print(Worker(client, 0, work, forever=True).run())
"""


@pytest.fixture
def function_worker(terminal):
    """Starts a worker whose function sleeps for that time. Returns when it sleeps."""

    def start(seconds: float, **environment: str):
        process = terminal.start_python("-c", WORKER, str(seconds), **environment)
        assert process.stdout.readline() == "working\n"
        return process

    return start


def ended(process, within_s: float) -> tuple[int, str, str]:
    """Waits for the end of a process. Returns its exit code, stdout and stderr."""
    began = time.monotonic()
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - began < within_s
    return process.returncode, out, err


def test_the_first_sigint_lets_the_running_job_finish(client, function_worker, job_row):
    client.set({1: {}, 2: {}})
    process = function_worker(0.6)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process, 3)
    assert code == 0
    assert "done=1, failed=0, given_back=0, lost=0, cancelled=0, signum=2" in out
    assert "a second signal gives it back" in err
    assert job_row(1)["result"] == '"done"'
    assert (client.progress().available, client.progress().working) == (1, 0)


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)]
)
def test_sigterm_or_a_second_sigint_gives_the_running_job_back_without_an_error(
    client, function_worker, job_row, signals
):
    client.set({1: {}, 2: {}})
    process = function_worker(60)
    for signum in signals:
        process.send_signal(signum)
        time.sleep(0.05)
    _, out, _ = ended(process, 2)
    assert "done=0, failed=0, given_back=1" in out
    assert (client.progress().available, client.progress().working) == (2, 0)
    assert (job_row(1)["error"], job_row(1)["failures"]) == (None, 0)


def test_a_running_command_finishes_after_the_first_sigint(client, terminal, until):
    client.set({1: {}, 2: {}})
    process = terminal.start("work", "0", "--", "sh", "-c", "touch runs; sleep 0.7")
    until((terminal.folder / "runs").exists)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process, 3)
    assert (code, err.splitlines()[-1]) == (130, "1 done")
    assert (client.progress().available, client.progress().working, client.progress().done) == (1, 0, 1)


@pytest.mark.parametrize(
    ("signals", "expected"), [([signal.SIGTERM], 143), ([signal.SIGINT, signal.SIGINT], 130)], ids=["TERM", "INT twice"]
)
def test_a_command_that_is_given_back_ends_with_its_child_processes(
    client, terminal, until, tmp_path, signals, expected, job_row
):
    client.set({1: {}})
    script = 'trap "" HUP; (sleep 55; echo late > late) & echo $! > pid; wait'
    process = terminal.start("work", "0", "--", "sh", "-c", script)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    code, _, err = ended(process, 3)
    assert (code, err.splitlines()[-1]) == (expected, "0 done, 1 given back")
    assert client.progress().available == 1
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert (job_row(1)["failures"], job_row(1)["error"]) == (0, None)


SIGNALS_BOTH = """
import os, signal, subprocess, sys, time
sys.path.insert(0, {root!r})
worker = subprocess.Popen([sys.executable, "-m", "client", "work", "0", "--", "sh", "-c", {script!r}])
while not os.path.exists("pid") or not open("pid").read():
    time.sleep(0.02)
os.kill(int(open("pid").read()), signal.{command})  # as Slurm does: the command may get it first
time.sleep({delay_s})
worker.terminate()
sys.exit(worker.wait())
"""


@pytest.mark.parametrize(
    ("command_signal", "script", "delay_s"),
    [
        ("SIGTERM", "echo $$ > pid; exec sleep 60", 0.5),
        ("SIGKILL", "echo $$ > pid; exec sleep 60", 0.5),
        ("SIGXCPU", "echo $$ > pid; exec sleep 60", 0.5),
        ("SIGTERM", "sleep 60 & echo $! > pid; wait $!; exit $?", 0.5),  # a shell reports 128 + 15
        ("SIGTERM", 'trap "exit 3" TERM; echo $$ > pid; while :; do sleep 0.01; done', 0.02),
    ],
)
def test_a_command_that_a_signal_ended_together_with_its_worker_has_not_failed(
    client, terminal, job_row, command_signal, script, delay_s
):
    client.set({1: {}})
    program = SIGNALS_BOTH.format(root=str(ROOT), script=script, command=command_signal, delay_s=delay_s)
    code, _, err = ended(terminal.start_python("-c", program), 6)
    assert (code, err.splitlines()[-1]) == (143, "0 done, 1 given back")
    row = job_row(1)
    assert (row["jobstage"], row["failures"], row["error"]) == (0, 0, None)


def test_a_command_that_a_signal_ended_alone_has_failed(client, terminal, job_row):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}})
    assert terminal.run("work", "0", "--", "sh", "-c", "kill -TERM $$")[0] == 0
    assert (job_row(1)["error"], job_row(1)["failures"]) == ("killed by SIGTERM", 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_worker_that_waits_for_a_job_at_once(client, terminal, until, proxy, number):
    client.init()
    process = terminal.start("work", "0", "--forever", "--", "true", JOBSERVER_URL=proxy.url)
    until(lambda: proxy.count("/get/0") == 1)
    process.send_signal(number)
    code, _, err = ended(process, 0.8)
    assert (code, err) == (
        128 + number,
        "stopping\n0 done\n",
    )  # it must not print that it waits for a running job: it has none


def test_a_job_added_after_an_abandoned_wait_is_not_claimed(client, terminal, until, proxy):
    client.init()
    process = terminal.start("work", "0", "--forever", "--", "true", JOBSERVER_URL=proxy.url)
    until(lambda: proxy.count("/get/0") == 1)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    ended(process, 1.5)
    client.set({1: {}})
    time.sleep(0.5)
    assert client.progress().working == 0


def test_a_job_claimed_while_the_signal_arrived_is_given_back(client, terminal, until, proxy):
    client.set({1: {}})
    proxy.delay("/get/0", 30)
    process = terminal.start("work", "0", "--", "true", JOBSERVER_URL=proxy.url)
    assert proxy.handled.wait(5)
    assert client.progress().working == 1
    process.send_signal(signal.SIGTERM)
    ended(process, 1.5)
    assert (client.progress().working, client.progress().available) == (0, 1)


def test_a_job_claimed_with_a_report_is_given_back_if_a_signal_arrived(client, terminal, proxy):
    client.set({1: {}, 2: {}})
    proxy.delay("/update_jobs", 0.5)
    process = terminal.start("work", "0", "--", "true", JOBSERVER_URL=proxy.url)
    assert proxy.handled.wait(5)
    assert client.progress().working == 1
    process.send_signal(signal.SIGTERM)
    ended(process, 2)
    progress = client.progress()
    assert (progress.done, progress.working, progress.available) == (1, 0, 1)


def test_a_signal_ends_a_waiting_worker_while_the_server_is_unreachable(server, terminal, jobix, until):
    JobClient(server.url, jobix).init()
    with LossyProxy(server.url) as proxy:
        process = terminal.start("work", "0", "--forever", "--", "true", JOBSERVER_URL=proxy.url)
        until(lambda: proxy.count("/get/0") == 1)
    server.kill()
    assert "retrying" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    code, _, err = ended(process, 3)
    assert code == 143
    assert "a job may stay claimed" in err


def test_sigterm_ends_the_delivery_and_shows_the_result(server, terminal, jobix, until):
    client = JobClient(server.url, jobix)
    client.set({1: {}})
    command = ("sh", "-c", "touch runs; sleep 0.5")
    process = terminal.start("work", "0", "--filename", "out/{jobid}", "--", *command, JOBSERVER_URL=server.url)
    until((terminal.folder / "runs").exists)
    server.kill()
    assert "retrying" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    code, _, err = ended(process, 4)
    assert code == 6
    assert "UNDELIVERED" in err
    assert '{"filename":"out/1"}' in err


def test_a_failed_command_is_no_success_under_a_parent_that_ignores_its_children(client, terminal, job_row):
    """A process inherits that SIGCHLD is ignored. Then nobody gets the exit code of a command: it appears to be 0."""
    client.set({1: {}})
    client.lifetime(1, 0, max_attempts=1)
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
        "os.execv(sys.executable, [sys.executable, '-m', 'client', 'work', '0', '--', 'false'])"
    )
    _, _, err = ended(terminal.start_python("-c", ignoring), 10)
    assert "failed permanently: exit code 1" in err, err
    assert job_row(1)["outcome"] == "failed"
