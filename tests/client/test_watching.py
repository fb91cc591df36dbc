"""Progress of watch and set, in a terminal and elsewhere."""

from __future__ import annotations

import re
import threading

from client import Progress, StageCount
from client.cli.watching import list_stages


def test_watch_prints_lines_to_a_pipe_until_all_is_done(terminal, client):
    client.set({1: {}, 2: {}})
    process = terminal.start("watch")
    assert re.fullmatch(r"list-\d+:   0.0% 0/2 done\n", process.stdout.readline())
    assert process.stdout.readline() == "    0: 2\n"
    for job in client.get_many(0, 2):
        client.update(job, 2)
    out, err = process.communicate(timeout=5)
    assert process.returncode == 0
    assert re.search(r": 100.0% 2/2 done, .* jobs/s, 0:00:00 left\n    2: 2\n", out)
    assert err == ""


def test_watch_of_an_empty_list_says_how_to_add_jobs(terminal, client):
    client.init()
    process = terminal.start("watch")
    assert re.fullmatch(r"list-\d+:   0.0% no jobs yet: `jm set` adds them\n", process.stdout.readline())
    client.set({1: {}})
    client.update(client.get(0), 2)
    out, _ = process.communicate(timeout=20)
    assert re.search(r"^list-\d+: 100.0% 1/1 done.*\n    2: 1\n$", out)


def test_watch_exits_with_1_if_the_remaining_jobs_failed(run, client):
    client.lifetime(1, 0, max_attempts=1)
    client.set({1: {}, 2: {}})
    client.update(client.get(0), 0, error="broken")
    client.update(client.get(0), 2)
    code, out, _ = run("watch")
    assert code == 1
    assert "1/2 done, 1 failed\n    1: 1  2: 1\n    1 failed: " in out


def test_watch_draws_a_bar_in_a_terminal_and_set_a_count(terminal, client, tmp_path):
    (tmp_path / "jobs.json").write_text("[1, 2]")
    code, output = terminal.run_in_a_pty("set", "jobs.json")
    assert code == 0
    assert "2 new, 0 known" in output
    threading.Timer(0.8, lambda: [client.update(job, 2) for job in client.get_many(0, 2)]).start()
    code, output = terminal.run_in_a_pty("watch")
    assert code == 0
    assert "━" in output
    assert "2/2 done" in output
    assert "100.0%" in output
    assert "\n0: 2\r" in output  # the stages, below the bar
    assert "\n2: 2\r" in output


def test_a_list_of_many_stages_has_a_short_line():
    counts = {stage: StageCount(1, 0, 0) for stage in range(0, 60, 2)}
    line = list_stages(Progress("list-1", 60, 30, 0, 0.0, 30, 0, 0, 0, counts))
    assert line.startswith("0: 1  2: 1  ")
    assert line.endswith("38: 1  and 10 more stages")
