"""Reports stay on the worker's disk until the server has accepted or refused them."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from client import Done, JobClient, Tally, Undelivered, Worker
from client.worker.outbox import folder
from tests.client.lossy_proxy import LossyProxy

WRITE = [
    sys.executable,
    "-c",
    "import sys; open(sys.argv[1], 'w').write('x'); open('runs', 'a').write('x')",
    "{output}",
]


@pytest.fixture(autouse=True)
def outbox(tmp_path, monkeypatch) -> Path:
    """An outbox of this test alone, also for the processes that it starts."""
    monkeypatch.setenv("JM_OUTBOX", str(tmp_path / "outbox"))
    return tmp_path / "outbox"


def kept(outbox: Path) -> list[Path]:
    """The files of workers."""
    return sorted(outbox.rglob("*.jsonl"))


def test_the_file_is_private_and_is_deleted_when_all_was_delivered(proxy, outbox, jobix):
    client = JobClient(proxy.url, jobix)
    client.set({1: {}})
    proxy.delay("/update_jobs", 1)
    worker = threading.Thread(target=Worker(client, 0, lambda job: {"chi2": 1}).run)
    worker.start()
    assert proxy.handled.wait(10)
    [path] = kept(outbox)
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    [report] = json.loads(path.read_text())
    worker.join()
    assert (report["jobid"], report["jobstage"], report["result"]) == (1, 2, {"chi2": 1})
    assert kept(outbox) == []
    assert str(jobix) not in str(list(outbox.rglob("*")))


def test_a_worker_killed_during_an_outage_loses_nothing(server, terminal, jobix, until, outbox, tmp_path):
    """Both are restarted. The result is delivered, its file published, and nothing is computed again."""
    client = JobClient(server.url, jobix)
    client.set({3: {}})
    command = ("work", "0", "--output", "out/{jobid}", "--")
    wait = "import os, time; open('started', 'w'); [time.sleep(0.01) for _ in iter(lambda: os.path.exists('go'), True)]"
    script = f"{wait}; {WRITE[2]}"
    process = terminal.start(*command, sys.executable, "-c", script, "{output}", JOBSERVER_URL=server.url)
    until((tmp_path / "started").exists)
    server.kill()
    (tmp_path / "go").touch()
    until(lambda: any(path.stat().st_size for path in kept(outbox)))
    process.kill()
    process.wait()
    assert not (tmp_path / "out" / "3").exists()
    server.start()
    code, _, err = terminal.run(*command, *WRITE, JOBSERVER_URL=server.url)
    assert (code, err.splitlines()[-1]) == (0, "0 done")
    assert "delivered 1 report" in err
    assert client.progress().done == 1
    assert (tmp_path / "runs").read_text() == "x"
    assert (tmp_path / "out" / "3").read_text() == "x"
    assert os.listdir(tmp_path / "out") == ["3"]
    assert kept(outbox) == []


def test_a_worker_killed_between_acceptance_and_publication_is_completed_by_the_next(
    server, terminal, jobix, outbox, tmp_path
):
    client = JobClient(server.url, jobix)
    client.set({3: {}})
    command = ("work", "0", "--output", "out/{jobid}", "--", *WRITE)
    with LossyProxy(server.url) as proxy:
        proxy.delay("/update_jobs", 30)
        # With the URL of the proxy: the outbox is that of this URL.
        process = terminal.start(*command, JOBSERVER_URL=proxy.url)
        assert proxy.handled.wait(10)
        process.kill()
        process.wait()
        assert client.progress().done == 1
        assert not (tmp_path / "out" / "3").exists()
        code, _, err = terminal.run(*command, JOBSERVER_URL=proxy.url)
    assert code == 0, err
    assert (tmp_path / "out" / "3").read_text() == "x"
    assert kept(outbox) == []


def test_an_undelivered_result_names_its_file_and_jm_deliver_delivers_it(server, terminal, jobix, outbox, run):
    client = JobClient(server.url, jobix, retry_for_s=0.3)
    client.set({7: {}})

    def work(job):
        server.kill()
        return {"chi2": 1.25}

    with pytest.raises(Undelivered) as error_info:
        Worker(client, 0, work).run()
    [path] = kept(outbox)
    assert f"It is kept in {path}" in str(error_info.value)
    options = ("--url", server.url)
    code, _, err = run("deliver", "--retry-for-s", "0", *options)
    assert (code, err.count("could not be reached")) == (5, 1)
    assert kept(outbox) == [path]
    server.start()
    assert run("deliver", *options)[:2] == (0, "delivered 1 reports\n")
    assert client.progress().done == 1
    assert kept(outbox) == []
    assert run("deliver", *options)[:2] == (0, "delivered 0 reports\n")


def test_a_refused_result_is_set_aside_with_the_servers_message(server, jobix, outbox, run, tmp_path, take_back_on):
    client = JobClient(server.url, jobix, retry_for_s=0.3)
    client.init([0, 10])
    client.set({7: {}})

    def work(job):
        Path(job.output).write_text("late")
        server.kill()
        return {"chi2": 1.25}

    with pytest.raises(Undelivered):
        Worker(client, 0, work, outputs=[f"{tmp_path}/out/{{jobid}}"]).run()
    server.start()
    later = JobClient(server.url, jobix)
    take_back_on(later)
    winner = JobClient(server.url + "/", jobix).get(0)
    code, out, _ = run("deliver", "--url", server.url, "--json")
    assert code == 1
    [entry] = json.loads(out)["set_aside"]
    assert json.loads(out)["delivered"] == 0
    assert (entry["status"], entry["report"]["jobid"], entry["report"]["result"]) == (409, 7, {"chi2": 1.25})
    assert "claim" in entry["message"]
    assert json.loads(Path(entry["file"]).read_text())["message"] == entry["message"]
    [kept_files] = (tmp_path / "out" / ".jm-set-aside").iterdir()
    assert (kept_files / "7").read_text() == "late"
    assert kept(outbox) == []
    later.update(winner, 2)
    code, out, _ = run("deliver", "--url", server.url)
    assert code == 0
    assert out.splitlines()[1].startswith("refused: job 7: ")


def test_the_reports_of_a_running_worker_are_left_to_it(server, terminal, jobix, outbox, run, until):
    client = JobClient(server.url, jobix)
    client.set({1: {}})
    process = terminal.start("work", "0", "--", "sh", "-c", "touch started; sleep 0.5", JOBSERVER_URL=server.url)
    until((terminal.folder / "started").exists)
    server.kill()
    until(lambda: any(path.stat().st_size for path in kept(outbox)))
    server.start()
    code, _, _ = run("deliver", "--url", server.url)
    assert code == 0
    assert process.wait(timeout=30) == 0
    assert client.progress().done == 1


def test_a_torn_line_is_ignored_and_others_are_delivered(client, outbox, caplog):
    client.set({1: {}, 2: {}})
    job = client.get(0)
    directory = Path(folder(client.list_key))
    directory.mkdir(parents=True)
    whole = json.dumps([{"jobid": job.jobid, "jobstage": 2, "claim": job.claim, "result": 5}])
    (directory / "vm-1-a.jsonl").write_text(f'{whole}\n[{{"jobid": 2, "jobst')
    assert Worker(client, 0, lambda job: None).run() == Tally(done=1)
    assert client.progress().done == 2
    assert "an incomplete report is ignored" in caplog.text
    assert kept(outbox) == []


def test_an_outbox_that_cannot_be_written_does_not_stop_the_work(client, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JM_OUTBOX", str(tmp_path / "file"))
    client.set({1: {}, 2: {}})
    assert Worker(client, 0, lambda job: Done(result=1)).run() == Tally(done=2)
    assert caplog.text.count("no report is kept in") == 1
