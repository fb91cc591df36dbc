"""The command of a worker that is killed ends, with all processes that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from client import Tally, Worker
from client.worker.supervision import MARKER
from tests.client.conftest import is_running

# A process in the group of the command, and one in another session; both and the command ignore SIGTERM and SIGHUP.
STUBBORN = """
trap "" TERM HUP
echo $$ > {folder}/command
(trap "" TERM HUP; while :; do sleep 0.1; done) & echo $! > {folder}/child
setsid sh -c 'trap "" TERM HUP; echo $$ > {folder}/session; while :; do sleep 0.1; done' &
while :; do sleep 0.1; done
"""
NAMES = ("command", "child", "session")


def read_pids(folder) -> list[int]:
    """The process ids that the command has written so far."""
    return [int(text) for name in NAMES if (path := folder / name).exists() and (text := path.read_text().strip())]


def supervisors() -> set[int]:
    """The supervisor processes on this machine."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if b"jm-supervisor" in file.read():
                        found.add(int(name))
            except OSError:
                continue
    return found


@pytest.fixture
def pids(tmp_path):
    """Reads the process ids; kills those left after the test."""
    yield lambda: read_pids(tmp_path)
    for pid in read_pids(tmp_path):
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_killed_worker_takes_its_command_and_all_of_its_processes_along(client, terminal, until, tmp_path, pids):
    client.set({1: {}})
    process = terminal.start("work", "0", "--", "sh", "-c", STUBBORN.format(folder=tmp_path))
    until(lambda: len(pids()) == 3)
    process.kill()
    began = time.monotonic()
    until(lambda: not any(map(is_running, pids())))
    assert time.monotonic() - began < 5


def test_the_command_gets_sigterm_first(client, terminal, until, tmp_path):
    client.set({1: {}})
    # Without stderr, whose reader is dead: the shell would be killed when it writes there that its child has ended.
    script = f'exec 2> /dev/null; trap "touch {tmp_path}/saved; exit 1" TERM; touch {tmp_path}/runs; '
    script += "while :; do sleep 0.05; done"
    process = terminal.start("work", "0", "--", "sh", "-c", script)
    until((tmp_path / "runs").exists)
    process.kill()
    until((tmp_path / "saved").exists)


def test_a_supervisor_survives_the_sigterm_of_a_batch_system(client, terminal, until, tmp_path, pids):
    client.set({1: {}})
    before = supervisors()
    process = terminal.start("work", "0", "--", "sh", "-c", STUBBORN.format(folder=tmp_path))
    until(lambda: len(pids()) == 3)
    until(lambda: len(supervisors() - before) == 1)
    time.sleep(0.3)  # its start
    (supervisor,) = supervisors() - before
    os.kill(supervisor, signal.SIGTERM)
    process.kill()
    until(lambda: not any(map(is_running, pids())))


def test_one_supervisor_serves_all_commands_of_a_worker_and_ends_with_it(client, tmp_path):
    client.set({jobid: {} for jobid in range(5)})
    before = supervisors()
    marker = f"{MARKER}=$(tr '\\0' '\\n' < /proc/$$/environ | sed -n s/^{MARKER}=//p)"
    script = f"{marker}; ps -ef ww | grep jm-supervisor | grep ${MARKER} | grep -v grep >> {tmp_path}/seen"
    assert Worker(client, 0, ["sh", "-c", script.replace("{", "{{").replace("}", "}}")]).run() == Tally(done=5)
    seen = {line.split()[1] for line in (tmp_path / "seen").read_text().splitlines()}
    assert len(seen) == 1
    assert supervisors() <= before


def test_the_supervisor_has_no_marker_of_the_command_that_started_its_worker(client, terminal, until):
    """Otherwise the end of that command would end the supervisor before the commands of this worker."""
    client.set({1: {}})
    before = supervisors()
    process = terminal.start("work", "0", "--", "sleep", "60", JM_WORKER_ID="outer", JM_COMMAND_ID="outer")
    until(lambda: len(supervisors() - before) == 1)
    (supervisor,) = supervisors() - before
    assert b"outer" not in Path(f"/proc/{supervisor}/environ").read_bytes()
    process.terminate()
    process.wait(20)


def test_a_process_in_the_background_continues_when_its_worker_ends_in_order(client, terminal, tmp_path):
    client.set({1: {}})
    terminal.run("work", "0", "--", "sh", "-c", f"sleep 60 > /dev/null 2>&1 & echo $! > {tmp_path}/pid")
    pid = int((tmp_path / "pid").read_text())
    time.sleep(0.5)
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


def test_the_work_continues_if_the_supervisor_is_killed(client, terminal, until, tmp_path):
    client.set({1: {}, 2: {}})
    before = supervisors()
    process = terminal.start("work", "0", "--", "sh", "-c", f"touch {tmp_path}/{{jobid}}; sleep 1.5")
    until(lambda: len(supervisors() - before) == 1)
    (supervisor,) = supervisors() - before
    os.kill(supervisor, signal.SIGKILL)
    _, err = process.communicate(timeout=20)
    assert "2 done" in err
    assert "commands will continue to run if this worker is killed" in err


def test_the_supervisor_of_the_zip_app_needs_no_file(client, terminal, until, tmp_path, pids):
    """A zip of the package alone: its libraries come from this environment, as the whole jm.pyz takes a minute."""
    app = tmp_path / "jm.pyz"
    code = (
        "import sys, zipfile, pathlib\n"
        "archive = zipfile.ZipFile(sys.argv[1], 'w')\n"
        "for path in pathlib.Path(sys.argv[2]).rglob('*.py'):\n"
        "    archive.write(path, 'zipped/' + str(path.relative_to(sys.argv[2])))\n"
        "archive.writestr('__main__.py', 'import sys; from zipped.__main__ import main; sys.exit(main())')\n"
    )
    from client import __file__ as package

    subprocess.run([sys.executable, "-c", code, str(app), os.path.dirname(package)], check=True)
    client.set({1: {}})
    process = terminal.start_python(str(app), "work", "0", "--", "sh", "-c", STUBBORN.format(folder=tmp_path))
    until(lambda: len(pids()) == 3)
    process.kill()
    until(lambda: not any(map(is_running, pids())))


@pytest.mark.parametrize("reason", ["cancel", "time limit"])
def test_a_stopped_command_takes_its_processes_in_other_sessions_along(client, until, tmp_path, reason):
    """A process that an earlier command left running continues."""
    client.init([0, 0.02 if reason == "time limit" else 10])
    client.lifetime(1, max_attempts=1)
    client.set({1: {}, 2: {}})
    pid_1, pid_2 = tmp_path / "1", tmp_path / "2"
    script = f"setsid sleep 60 > /dev/null 2>&1 & echo $! > {tmp_path}/{{jobid}}; [ {{jobid}} = 1 ] || sleep 60"
    tallies: list[Tally] = []
    worker = Worker(client, 0, ["sh", "-c", script], wait_s=0)
    thread = threading.Thread(target=lambda: tallies.append(worker.run()))
    thread.start()
    try:
        until(lambda: pid_2.exists() and pid_2.read_text().strip())
        left, stopped = int(pid_1.read_text()), int(pid_2.read_text())
        assert is_running(stopped)
        if reason == "cancel":
            client.cancel([2])
        thread.join(20)
        assert tallies[0].done == 1  # at the time limit, the server or the worker is the first to notice
        assert not is_running(stopped)
        assert is_running(left)
    finally:
        for path in (pid_1, pid_2):
            if path.exists() and is_running(int(path.read_text())):
                os.kill(int(path.read_text()), signal.SIGKILL)
