"""The complete demo on a small folder: a real server, real workers, a real SIGKILL, and its counts."""

import csv
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.processes import Children, Interruptions
from examples.demo.server import CannotRun, start_server
from tests.support.paths import ROOT

RUN = ROOT / "examples" / "demo" / "run.py"
PAGE = re.compile(r"page, while this runs: (\S+)")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A dozen files, each large enough to keep a worker busy for some milliseconds."""
    folder = tmp_path / "files"
    (folder / "package").mkdir(parents=True)
    for number in range(9):
        functions = "".join(
            f"def f{line}(a, b):\n    return [c for c in a if c + {number}] or b {'<>'[line % 2]} {line}\n"
            for line in range(150)
        )
        (folder / "package" / f"module_{number}.py").write_text(functions)
    rng = random.Random(1)
    branches = "".join(
        f"    if a {rng.choice(['<', '>', '==', '!=', 'is', 'in'])} {number}:\n"
        f"        b {rng.choice(['+=', '-=', '*=', '/=', '%='])} a[{number}]\n"
        for number in range(30)
    )
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(f"# {name}\n\ndef planted(a, b):\n{branches}    return b\n")
    (folder / "bad.py").write_text("print 'two'\n")
    (folder / "no_python.txt").write_text("x")
    return folder


def _demo(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, str(RUN), *arguments],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(temporary), "JOBSERVER_URL": "http://127.0.0.1:1", "JOBSERVER_PORT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _processes() -> list[tuple[int, str]]:
    """The id and the command of every process on this machine."""
    output = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [(int(pid), command) for pid, command in (line.split(maxsplit=1) for line in output.splitlines())]


def _nothing_is_left(tmp_path: Path, page: str) -> None:
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page, timeout=5)
    assert [command for _, command in _processes() if str(tmp_path / "temporary") in command] == []
    assert list((tmp_path / "temporary").iterdir()) == []


def test_every_job_is_done_once_although_a_worker_is_killed(tmp_path: Path, files: Path) -> None:
    demo = _demo(tmp_path, "--input", str(files))
    output, errors = demo.communicate(timeout=60)
    assert demo.returncode == 0, output + errors
    assert errors == ""
    killed = re.search(r"worker \d \(process (\d+)\) killed with SIGKILL while \w+ (\S+) \(job (\d+)\)", output)
    assert killed, output
    job = rf"{re.escape(killed[2])} \(job {killed[3]}\)"
    taken_over = re.search(rf"holding {job}; (\S+) s later worker \d claimed it \(attempt 2\) and finished it", output)
    assert taken_over, output
    assert 1.0 < float(taken_over[1]) < 10.0  # after the rest of its lifetime of 3 s
    assert "done = 12, files = 12 (the server counts 12)" in output
    claims = re.search(r"claimed twice at once = 0 \(of (\d+) claims\)", output)
    assert claims
    assert int(claims[1]) >= 25  # two for each file, and the job of the killed worker
    assert "lost = 0" in output
    assert re.search(r"tokens +lines +position *\n +\d+ +62 +one\.py:3-64\s+two\.py:3-64", output)
    assert "\x1b" not in output  # not a terminal: plain lines
    assert max(map(len, output.splitlines())) < 200
    page = PAGE.search(output)
    assert page
    _nothing_is_left(tmp_path, page[1])


def test_a_deleted_result_is_reported_as_lost(tmp_path: Path, files: Path) -> None:
    demo = _demo(tmp_path, "--input", str(files))
    while demo.poll() is None:
        for output in (tmp_path / "temporary").glob("*/3.fingerprinted.json"):
            output.unlink()
        time.sleep(0.01)
    output, errors = demo.communicate()
    assert demo.returncode == 1, output + errors
    assert "done = 11, files = 12 (the server counts 12)" in output
    assert "lost = 1\n  package/module_1.py (job 3)" in output


def test_crashed_workers_and_their_lost_jobs_are_reported(tmp_path: Path) -> None:
    demo = _demo(tmp_path)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "killed with SIGKILL" in line:
            break
    workers = [pid for pid, command in _processes() if str(tmp_path / "temporary") in command and pid != demo.pid]
    assert len(workers) == 3
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    output, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1, output + errors
    assert len(re.findall(r"worker \d ended by itself, exit code -9", output)) == 3
    lost = re.search(r"lost = (\d+)", output)
    done = re.search(r"done = (\d+), files = (\d+)", output)
    assert lost
    assert done
    assert int(lost[1]) == int(done[2]) - int(done[1]) > 0


def test_the_csv_has_a_row_for_each_file_and_is_overwritten(tmp_path: Path, files: Path) -> None:
    (tmp_path / "demo-results.csv").write_text("an older one\n")
    demo = _demo(tmp_path, "--input", str(files))
    output, errors = demo.communicate(timeout=60)
    assert demo.returncode == 0, output + errors
    with (tmp_path / "demo-results.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert len(rows) == 12
    assert rows["bad.py"]["note"].startswith("does not parse: Missing parentheses")
    assert rows["package/module_3.py"]["functions"] == "150"
    assert (rows["one.py"]["its_complexity"], rows["one.py"]["most_complex_function"]) == ("31", "planted")
    assert rows["two.py"]["duplicated_lines"] == "62"
    assert {row["attempts"] for row in rows.values()} == {"1", "2"}  # 2: the job of the killed worker


@pytest.mark.parametrize("moment", ["page, while this runs", "killed with SIGKILL"])
def test_ctrl_c_leaves_nothing_running(tmp_path: Path, moment: str) -> None:
    demo = _demo(tmp_path)
    assert demo.stdout is not None
    page = None
    for line in demo.stdout:
        page = page or PAGE.search(line)
        if moment in line:
            break
    demo.send_signal(signal.SIGINT)
    started_s = time.monotonic()
    _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert time.monotonic() - started_s < 10.0
    assert errors == "stopped; nothing is left running\n"
    assert page
    _nothing_is_left(tmp_path, page[1])
    assert not (tmp_path / "demo-results.csv").exists()


@pytest.mark.parametrize(
    ("folder", "expected"), [("nowhere", "is not a folder"), ("temporary", "there is no .py file in")]
)
def test_a_demo_that_cannot_run_prints_one_line(tmp_path: Path, folder: str, expected: str) -> None:
    demo = _demo(tmp_path, "--input", str(tmp_path / folder))
    output, errors = demo.communicate(timeout=30)
    assert demo.returncode == 1
    assert (output, errors.count("\n")) == ("", 1)
    assert expected in errors


@pytest.mark.parametrize("in_the_way", ["demo-results.csv", "demo-results.csv.part"])
def test_unwritable_results_are_reported_before_the_run(tmp_path: Path, files: Path, in_the_way: str) -> None:
    (tmp_path / in_the_way).mkdir()
    demo = _demo(tmp_path, "--input", str(files))
    output, errors = demo.communicate(timeout=30)
    assert (demo.returncode, output) == (1, "")
    path = tmp_path / "demo-results.csv"
    assert errors == f"demo: {path} can't be written (Is a directory): run the demo from another folder\n"


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    started = Children(tmp_path, Interruptions())
    yield started
    started.stop_all()
    for signum, handler in before.items():
        signal.signal(signum, handler)


def test_a_server_that_does_not_start_prints_one_line(tmp_path: Path, children: Children) -> None:
    (tmp_path / "instance").write_text("a file where the server needs a folder")
    with pytest.raises(CannotRun, match=r"the server did not start: .") as caught:
        start_server(children, tmp_path)
    assert "\n" not in str(caught.value)
