"""Declared output files: only the files of an accepted result are published."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from client import BadTemplate, Done, JobClient, Tally, Worker
from client.api.types import Output
from client.worker.outputs import publish
from tests.client.lossy_proxy import LossyProxy

WRITE = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"


def write(text: str = "{jobid}") -> list[str]:
    """A command that writes that text to its output."""
    return [sys.executable, "-c", WRITE, "{output}", text]


def leftovers(folder: Path) -> list[str]:
    """The names of the private directories in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".jm-"))


@pytest.fixture
def stage_outputs(job_row):
    """Reads the outputs that the server stores with a job."""
    return lambda jobid: json.loads(job_row(jobid)["outputs"])


def test_a_command_writes_a_private_file_that_is_published_after_acceptance(client, tmp_path, job_row, stage_outputs):
    client.set({3: {"jobcmd": {"file": "a"}}})
    template = f"{tmp_path}/new/{{jobcmd[file]}}-{{name}}-{{attempt}}-{{stage}}.txt"
    assert Worker(client, 0, write("of {output_dir}"), outputs=[template]).run() == Tally(done=1)
    final = tmp_path / "new" / "a-3-1-0.txt"
    private = final.read_text().removeprefix("of ")
    assert private.startswith(f"{tmp_path}/new/.jm-3-1-")
    assert job_row(3)["filename"] == str(final)
    [output] = stage_outputs(3)
    assert (output["path"], output["bytes"], output["staged"]) == (
        str(final),
        len(final.read_bytes()),
        f"{private}/{final.name}",
    )
    assert leftovers(tmp_path / "new") == []


def test_a_function_finds_the_private_path_and_the_environment_names_it_for_commands(client, tmp_path):
    client.set({3: {}, 4: {}})

    def work(job):
        Path(job.output_dir, "scratch").write_text("x")
        Path(job.output).write_text(str(job.jobid))
        return Done(result=1, filename="other")

    worker = Worker(client, 0, work, outputs=[f"{tmp_path}/{{jobid}}"])
    assert worker.run() == Tally(done=2)
    assert [(tmp_path / name).read_text() for name in ("3", "4")] == ["3", "4"]
    assert leftovers(tmp_path) == []
    script = 'echo "$JM_JOBID $JM_NAME $JM_ATTEMPT $JM_STAGE" > "$JM_OUTPUT"; touch "$JM_OUTPUT_DIR/scratch"'
    assert Worker(client, 2, ["sh", "-c", script], outputs=[f"{tmp_path}/second-{{jobid}}"]).run() == Tally(done=2)
    assert (tmp_path / "second-3").read_text() == "3 3 1 2\n"
    assert leftovers(tmp_path) == []


def test_several_outputs_in_several_folders(client, tmp_path):
    client.set({3: {}})
    script = "echo first > $0; echo second > $1"
    outputs = [f"{tmp_path}/a/{{jobid}}", f"{tmp_path}/b/{{jobid}}.log"]
    Worker(client, 0, ["sh", "-c", script, "{output}", "{output[1]}"], outputs=outputs).run()
    assert ((tmp_path / "a/3").read_text(), (tmp_path / "b/3.log").read_text()) == ("first\n", "second\n")
    assert leftovers(tmp_path / "a") == leftovers(tmp_path / "b") == []


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("true", "was not written: the work must write it at "),
        ("touch {output}", "is empty"),
        ("mkdir {output}", "is not a regular file"),
        ("ln -s /etc/passwd {output}", "is not a regular file"),
        ("sh -c 'echo x > {output}; exit 3'", "exit code 3"),
    ],
)
def test_an_attempt_without_its_output_fails_and_leaves_nothing(client, tmp_path, job_row, command, error):
    client.lifetime(1, 0, max_attempts=1)
    client.set({3: {}})
    assert Worker(client, 0, command, outputs=[f"{tmp_path}/out"]).run() == Tally(failed=1)
    assert error in job_row(3)["error"]
    assert list(tmp_path.iterdir()) == []


def test_wrong_declarations_are_refused(client, tmp_path, job_row):
    with pytest.raises(BadTemplate, match="no such file is declared: use --output"):
        Worker(client, 0, ["echo", "{output}"])
    with pytest.raises(BadTemplate, match="no such file is declared"):
        Worker(client, 0, ["echo", "{output[1]}"], outputs=["a"])
    with pytest.raises(BadTemplate, match=r"unknown field \{output\}"):
        Worker(client, 0, ["true"], outputs=["{output}"])
    with pytest.raises(BadTemplate, match="outputs is a list"):
        Worker(client, 0, ["true"], outputs="out/{jobid}")
    client.lifetime(1, 0, max_attempts=1)
    client.set({3: {"jobcmd": "/"}})
    assert Worker(client, 0, ["true"], outputs=[f"{tmp_path}/{{jobcmd}}"]).run() == Tally(failed=1)
    assert "cannot be the path of an output" in job_row(3)["error"]


def test_a_dead_workers_command_overwrites_nothing(client, terminal, until, take_back, tmp_path):
    """A process that the command of a killed worker left behind writes to its path when the winner has published."""
    client.init([0, 10])
    client.lifetime(1, 10, max_attempts=0)
    client.set({3: {}})
    outputs = ("--output", "out/{jobid}.npy")
    note_path = "import sys, time; open('path', 'w').write(sys.argv[1]); time.sleep(3)"
    process = terminal.start("work", "0", *outputs, "--", sys.executable, "-c", note_path, "{output}")
    path = until(lambda: (tmp_path / "path").exists() and (tmp_path / "path").read_text())
    process.kill()
    # Started here, because a worker that ends takes its command's processes with it where the system allows that.
    late = subprocess.Popen([sys.executable, "-c", f"import sys, time; time.sleep(2); {WRITE}", path, "dead"])
    take_back()
    code, _, err = terminal.run("work", "0", *outputs, "--", *write("winner"))
    assert code == 0, err
    final = tmp_path / "out" / "3.npy"
    assert final.read_text() == "winner"
    assert late.wait(timeout=10) == 0
    assert Path(path).read_text() == "dead"
    assert final.read_text() == "winner"


def test_a_worker_killed_between_acceptance_and_publication(server, terminal, jobix, until, tmp_path):
    """The worker of the next stage publishes the file."""
    client = JobClient(server.url, jobix)
    client.set({3: {}})
    with LossyProxy(server.url) as proxy:
        proxy.delay("/update_jobs", 30)
        process = terminal.start("work", "0", "--output", "{jobid}.txt", "--", *write("x"), JOBSERVER_URL=proxy.url)
        assert proxy.handled.wait(10)
        process.kill()
        process.wait()
    assert client.progress().stages[2].jobs == 1
    assert not (tmp_path / "3.txt").exists()
    seen = []
    assert Worker(client, 2, lambda job: seen.append(Path(job.outputs[0].path).read_text())).run() == Tally(done=1)
    assert seen == ["x"]
    assert (tmp_path / "3.txt").read_text() == "x"
    assert leftovers(tmp_path) == []


def test_a_worker_that_publishes_late_finds_its_file_published(client, proxy, jobix, tmp_path, caplog):
    client.set({3: {}})
    proxy.delay("/update_jobs", 1)
    own = JobClient(proxy.url, jobix)

    def next_stage():
        assert proxy.handled.wait(10)
        assert Worker(client, 2, lambda job: None).run() == Tally(done=1)

    thread = threading.Thread(target=next_stage)
    thread.start()
    assert Worker(own, 0, write("x"), outputs=[f"{tmp_path}/{{jobid}}.txt"]).run() == Tally(done=1)
    thread.join()
    assert (tmp_path / "3.txt").read_text() == "x"
    assert [record.getMessage() for record in caplog.records if "could not" in record.getMessage()] == []


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda path: path.write_text("y"), "is invalid: 1 bytes with sha256 a1fce4363854ff888cff4b8e7875d600c2682390"),
        (lambda path: path.write_text(""), "is invalid: 0 bytes"),
        (
            lambda path: path.unlink(),
            "does not exist; expected 1 bytes with sha256 2d711642b726b04401627ca9fbac32f5c8530fb",
        ),
    ],
    ids=["corrupted", "truncated", "deleted"],
)
def test_the_next_stage_refuses_a_file_that_changed(client, tmp_path, job_row, damage, error):
    client.lifetime(1, 0)
    client.lifetime(3, 0, max_attempts=1)
    client.set({3: {}})
    final = tmp_path / "3.txt"
    Worker(client, 0, write("x"), outputs=[str(final)]).run()
    damage(final)
    ran = []
    assert Worker(client, 2, lambda job: ran.append(job)).run() == Tally(failed=1)
    assert ran == []
    assert f"the input {final} {error}" in job_row(3)["error"]
    client.check_stages(3, 2)
    assert Worker(client, 2, lambda job: ran.append(job), verify=False).run() == Tally(done=1)


def test_a_machine_without_the_shared_file_system_is_an_error_that_names_the_option(client, tmp_path, job_row):
    client.lifetime(1, 0)
    client.lifetime(3, 0, max_attempts=1)
    client.set({3: {}})
    Worker(client, 0, write("x"), outputs=[f"{tmp_path}/out/3.txt"]).run()
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert Worker(client, 2, lambda job: None).run() == Tally(failed=1)
    assert f"has no folder {tmp_path}/out: share the file system, or use --no-verify" in job_row(3)["error"]


def test_the_files_of_a_lost_claim_are_kept_aside(client, take_back, tmp_path, caplog):
    client.init([0, 10])
    client.set({3: {}})
    stale = [True]

    def work(job):
        if stale.pop():
            take_back()
        stale.append(False)
        Path(job.output).write_text(f"attempt {job.attempt}")

    assert Worker(client, 0, work, outputs=[f"{tmp_path}/3.txt"]).run() == Tally(done=1, lost=1)
    assert (tmp_path / "3.txt").read_text() == "attempt 2"
    [kept] = (tmp_path / ".jm-set-aside").iterdir()
    assert (kept / "3.txt").read_text() == "attempt 1"
    assert f"its output files are kept in {kept}" in caplog.text


def test_a_cancelled_or_stopped_attempt_removes_its_private_files(shared, client, terminal, until, tmp_path):
    client.init([0, 10])
    client.set({1: {}})

    def work(job):
        Path(job.output).write_text("x")
        assert shared.run("cancel", client.progress().name, "1").returncode == 0
        assert job.stopped.wait(5)

    worker = Worker(client, 0, work, outputs=[f"{tmp_path}/{{jobid}}"], lease_s=0.6)
    assert worker.run() == Tally(cancelled=1)
    assert leftovers(tmp_path) == []


def test_a_late_publication_does_not_replace_a_newer_file(client, tmp_path, caplog):
    old, final = tmp_path / "private" / "3.txt", tmp_path / "3.txt"
    old.parent.mkdir()
    old.write_text("old")
    time.sleep(0.02)
    final.write_text("new")
    publish([Output(str(final), 3, "0" * 64, str(old))])
    assert (final.read_text(), old.read_text()) == ("new", "old")
    assert "is newer than the accepted result" in caplog.text
