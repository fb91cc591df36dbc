"""`set` that stops early prints how many jobs were accepted."""

from __future__ import annotations

import json
import signal

import pytest


def many(count: int) -> str:
    """A file of JSON lines; each request has 10,000 of them."""
    return "".join(f'"{number}.fits"\n' for number in range(count))


@pytest.fixture
def broken(tmp_path):
    """A file whose last line, the 10,011th, isn't JSON."""
    (tmp_path / "jobs.jsonl").write_text(many(10_010) + "{\n")


def test_a_set_that_stops_early_prints_how_many_jobs_were_accepted(run, client, broken):
    code, out, err = run("set", "jobs.jsonl")
    assert (code, out) == (2, "")
    stopped, error = err.splitlines()
    assert stopped == "stopped: 10000 new, 0 known jobs were accepted before. It is safe to send all again"
    assert "jobs.jsonl, line 10011" in error
    assert client.progress().jobs == 10_000


def test_a_set_stopped_by_ctrl_c_prints_it_too(terminal, client, proxy, until, tmp_path):
    (tmp_path / "jobs.jsonl").write_text(many(10_010))
    client.set([{"jobcmd": "0.fits"}])
    proxy.delay("/set", 0)
    proxy.delay("/set", 30)
    process = terminal.start("set", "jobs.jsonl", JOBSERVER_URL=proxy.url)
    until(lambda: proxy.count("/set") == 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert err == "stopped: 9999 new, 1 known jobs were accepted before. It is safe to send all again\n"


def test_a_file_sent_again_adds_only_its_new_lines(run, client, tmp_path):
    (tmp_path / "jobs.jsonl").write_text('"a"\n"b"\n"a"\n')
    assert run("set", "jobs.jsonl") == (0, "3 new, 0 known\n", "")
    assert run("set", "jobs.jsonl") == (0, "0 new, 3 known\n", "")
    (tmp_path / "jobs.jsonl").write_text('"0"\n"a"\n"a"\n"b"\n"a"\n"c"\n')
    assert run("set", "jobs.jsonl") == (0, "3 new, 3 known\n", "")
    assert sorted(job.jobcmd for job in client.get_many(0, 10)) == ["0", "a", "a", "a", "b", "c"]


def test_more_files_are_added_by_a_second_set(run, client, tmp_path):
    """54 files, then 151, of which many sort before the others: without names 95 of them were skipped."""
    (tmp_path / "data").mkdir()
    for number in range(54):
        (tmp_path / "data" / f"m{number:03d}.fits").write_text(str(number))
    assert run("set", "--files", "data/*.fits") == (0, "54 new, 0 known\n", "")
    for number in range(97):
        (tmp_path / "data" / f"a{number:03d}.fits").write_text(str(number))
    assert run("set", "--files", "data/*.fits") == (0, "97 new, 54 known\n", "")
    jobs = client.get_many(0, 1000)
    assert len({job.jobid for job in jobs}) == 151
    assert {job.jobcmd["file"] for job in jobs} == {f"data/{path.name}" for path in (tmp_path / "data").iterdir()}


def test_known_jobs_with_another_content_are_an_error(run, tmp_path):
    (tmp_path / "jobs.csv").write_text("name,x\n" + "".join(f"ngc{number},1\n" for number in range(8)))
    assert run("set", "jobs.csv") == (0, "8 new, 0 known\n", "")
    (tmp_path / "jobs.csv").write_text("name,x\n" + "".join(f"ngc{number},2\n" for number in range(9)))
    code, out, err = run("set", "jobs.csv")
    assert (code, out) == (1, "1 new, 8 known\n")
    assert err == (
        "error: 8 inputs were not added: the ids or names belong to jobs with different content (ngc0, ngc1, ngc2, "
        "ngc3, ngc4, …). Give them other ids or names, or use --skip-known to keep the jobs of the list\n"
    )
    code, out, err = run("set", "jobs.csv", "--skip-known")
    assert (code, out, err[:37]) == (0, "0 new, 9 known\n", "warning: 8 inputs were not added: the")
    code, out, err = run("set", "jobs.csv", "--json")
    names = [f"ngc{number}" for number in range(5)]
    assert (code, json.loads(out)) == (1, {"new": 0, "known": 9, "different": 8, "different_jobs": names})


def test_an_id_with_another_content_is_an_error(run, tmp_path):
    (tmp_path / "jobs.json").write_text('{"7": {"jobcmd": 1}}')
    assert run("set", "jobs.json") == (0, "1 new, 0 known\n", "")
    assert run("set", "jobs.json") == (0, "0 new, 1 known\n", "")
    (tmp_path / "jobs.json").write_text('{"7": {"jobcmd": 2}}')
    code, out, err = run("set", "jobs.json")
    assert (code, out) == (1, "0 new, 1 known\n")
    assert err.startswith("error: 1 input was not added: the ids or names belong to jobs with different content (7).")


def test_an_id_of_a_job_with_another_name_is_refused(run, tmp_path):
    (tmp_path / "jobs.csv").write_text("id,name\n7,a\n")
    assert run("set", "jobs.csv")[0] == 0
    (tmp_path / "jobs.csv").write_text("id,name\n7,b\n")
    code, out, err = run("set", "jobs.csv")
    assert (code, out) == (3, "")
    assert "Job 7 of this list is named 'a', so 'b' needs another jobid" in err


@pytest.mark.parametrize("name", ["nowhere.csv", "damaged.json"])
def test_a_set_that_sent_nothing_prints_only_the_error(run, tmp_path, name):
    (tmp_path / "damaged.json").write_text("[1")
    code, out, err = run("set", name)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {name} ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("name", "text"), [("a.csv", "id,file\n"), ("b.csv", ""), ("c.jsonl", "\n"), ("d.json", "[]")])
def test_a_file_without_jobs_causes_a_warning(run, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert run("set", name) == (0, "0 new, 0 known\n", f"warning: {name} contains no jobs\n")
