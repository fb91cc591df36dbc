"""The newcomer's path: the README's first commands word for word, then 300 real files in two stages, default options.

One worker is killed, the server is killed and started again, broken inputs are fixed and retried, a second batch is
added. At the end nothing is lost, skipped, done twice or overwritten, and all workers have ended by themselves. Two
options shorten the test: the lease of the worker that is killed (default: two minutes), and the grace after an outage.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.server import Server
from tests.support.snapshot import opened
from tests.support.until import until

pytestmark = pytest.mark.timeout(600)

FIRST, SECOND, BROKEN = 250, 50, 5  # files of the first and of the second batch, broken ones of the first
LEASE_S = 15  # of the worker that is killed
GRACE_MINUTES = 0.1  # on a loaded machine the restart of the server may count as an outage
WORKERS_END_S = 300
STEP = """
case $(head -c 6 "$1") in BROKEN) echo "$1 is broken" >&2; exit 1;; esac
sleep 0.03
attempt=${2%/*}  # its private directory, whose name ends with that of the claim
printf '%s %s' "$(sha256sum <"$1" | cut -c 1-64)" "${attempt##*/}" >"$2"
"""


class Desk:
    """The terminals of a newcomer in a folder of his own."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.workers: list[subprocess.Popen[str]] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JOBSERVER_", "XDG_"))}
        self.environment = kept | {"HOME": str(folder), "PYTHONPATH": str(ROOT)}

    def run(self, script: str) -> str:
        """Runs lines of a shell, which must succeed. Returns their output. Only the port differs from
        the README's, and `jm` is that of this checkout."""
        url = self.server.url
        lines = script.replace("http://127.0.0.1:5000", url).replace("jm init", f"jm --url {url} init")
        jm = f'jm() {{ {sys.executable} -m client "$@"; }}'
        done = subprocess.run(
            ["bash", "-e", "-c", f"{jm}\n{lines}"],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start_workers(self, *options: str) -> None:
        """Starts two workers of each stage. Those of the second stage start first, and wait. options: of the last."""
        second = ("2", "two/{jobid}.txt", "one/{jobid}.txt")
        first = ("0", "one/{jobid}.txt", "{jobcmd[file]}")
        for (stage, target, source), more in ((second, ()), (second, ()), (first, ()), (first, options)):
            words = ["work", stage, "--output", target, *more, "--", "sh", "step.sh", source, "{output}"]
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "client", *words], cwd=self.folder, env=self.environment, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )
            )  # fmt: skip

    def wait_for_workers(self) -> None:
        """Returns when all workers have ended by themselves."""
        for worker in self.workers:
            output, _ = worker.communicate(timeout=WORKERS_END_S)
            assert worker.returncode in (0, 1, -signal.SIGKILL), output
        self.workers.clear()

    def close(self) -> None:
        """Kills workers that are left after a failure."""
        for worker in self.workers:
            worker.kill()
            worker.communicate()


@pytest.fixture
def desk(tmp_path: Path, new_server: Callable[..., Server]) -> Iterator[Desk]:
    """A newcomer's folder, with a running server."""
    desk = Desk(tmp_path / "home", new_server(grace_minutes=str(GRACE_MINUTES)).start())
    desk.folder.mkdir()
    (desk.folder / "step.sh").write_text(STEP)
    yield desk
    desk.close()


def real_files(folder: Path) -> list[Path]:
    """Copies modules of installed packages into the folder, in two batches, each file under a different name."""
    sources = sorted(path for path in Path(sysconfig.get_path("purelib")).rglob("*.py") if path.stat().st_size > 100)
    copies = []
    for number, source in enumerate(sources[: FIRST + SECOND]):
        copy = folder / ("data" if number < FIRST else "more") / f"{source.stem}-{number}.py"
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, copy)
        copies.append(copy)
    assert len(copies) == FIRST + SECOND
    return copies


def done_jobs(desk: Desk, stage: int) -> int:
    """The number of jobs of the list that have reached the stage."""
    with opened(desk.server) as database:
        return sum(job["jobstage"] >= stage for job in database.jobs("files").values())


def test_the_first_commands_of_the_readme(desk: Desk) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "first-jobs" in block)
    output = desk.run(block)
    assert len(re.findall(r"^[0-9a-f]{64}  ", output, re.MULTILINE)) == 5
    with opened(desk.server) as database:
        assert {job["jobstage"] for job in database.jobs("first").values()} == {2}


def test_three_hundred_files_in_two_stages(desk: Desk) -> None:
    files = real_files(desk.folder)
    whole = {file: file.read_bytes() for file in files[:BROKEN]}
    for file in whole:
        file.write_bytes(b"BROKEN" + whole[file])
    desk.run("jm init --jobix-file secret --name files 0 10 0 10; jm login http://127.0.0.1:5000 --jobix-file secret")
    desk.run("mkdir one two; jm set --files 'data/*.py'")

    desk.start_workers("--lease-s", str(LEASE_S))
    until(lambda: done_jobs(desk, 2) > 30, within_s=60)
    desk.workers[-1].send_signal(signal.SIGKILL)
    until(lambda: done_jobs(desk, 2) > 60, within_s=60)
    desk.server.kill()
    desk.server.start()
    desk.run("jm set --files 'more/*.py'")  # while the first batch is worked on
    desk.wait_for_workers()
    assert done_jobs(desk, 2) == len(files) - BROKEN, "the workers left jobs behind"

    for file, content in whole.items():
        file.write_bytes(content)
    desk.run("jm check 1 0")
    desk.start_workers()
    desk.wait_for_workers()
    desk.run("jm watch")
    check_results(desk, files)


def check_results(desk: Desk, files: list[Path]) -> None:
    """Checks that each file has one job, done once in each stage, and the right results of the attempts that ended it.

    A worker that was killed leaves its private directories; nobody else leaves any.
    """
    with opened(desk.server) as database:
        jobs = database.jobs("files")
        ends = database.rows(
            "SELECT jobid, from_stage, event.claim FROM event JOIN job ON job.id = job_id WHERE kind = 'completed'"
        )
        lost = database.rows("SELECT jobid, event.claim FROM event JOIN job ON job.id = job_id WHERE message = 'lost'")
    assert sorted(desk.folder / file_of(job) for job in jobs.values()) == sorted(files)
    assert {job["jobstage"] for job in jobs.values()} == {4}
    assert set(Counter((jobid, stage) for jobid, stage, _claim in ends).values()) == {1}
    assert len(ends) == 2 * len(files)
    claims = {(jobid, stage): claim for jobid, stage, claim in ends}
    for jobid, job in jobs.items():
        one, two = ((desk.folder / folder / f"{jobid}.txt").read_text() for folder in ("one", "two"))
        source = (desk.folder / file_of(job)).read_bytes()
        for text, content, stage in ((one, source, 1), (two, one.encode(), 3)):
            sha256, attempt = text.split()
            assert sha256 == hashlib.sha256(content).hexdigest()
            assert attempt.endswith(claims[jobid, stage][-8:]), f"job {jobid}: another attempt has written its file"
    endings = tuple(claim[-8:] for _jobid, claim in lost)
    assert lost
    for folder in ("one", "two"):
        names = {path.name for path in (desk.folder / folder).iterdir()}
        private = {name for name in names if name.startswith(".jm-") and name.endswith(endings)}
        assert names - private == {f"{jobid}.txt" for jobid in jobs}


def file_of(job: dict[str, str]) -> str:
    """The file of a job."""
    found = re.search(r'"file": ?"([^"]+)"', job["jobcmd"])
    assert found, job["jobcmd"]
    return found[1]
