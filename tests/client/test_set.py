"""`set` that stops early prints how many jobs were accepted."""

from __future__ import annotations

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
    client.set({0: {}})
    proxy.delay("/set", 0)
    proxy.delay("/set", 30)
    process = terminal.start("set", "jobs.jsonl", JOBSERVER_URL=proxy.url)
    until(lambda: proxy.count("/set") == 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert err == "stopped: 9999 new, 1 known jobs were accepted before. It is safe to send all again\n"


def test_a_set_of_known_ids_causes_a_warning(run, tmp_path):
    (tmp_path / "jobs.json").write_text("[1, 2]")
    assert run("set", "jobs.json") == (0, "2 new, 0 known\n", "")
    code, out, err = run("set", "jobs.json")
    assert (code, out) == (0, "0 new, 2 known\n")
    assert err.startswith("warning: 2 jobs were already in the list and were skipped. Check that their ids still ")
    (tmp_path / "jobs.json").write_text("[1]")
    assert run("set", "jobs.json")[2].startswith("warning: 1 job was already in the list and was skipped. Check that ")


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
