"""What open pages are told by Socket.IO, in every async mode."""

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.support.live_page import NAME, merged
from tests.support.server import Asker, Server
from tests.support.waiting import until


def test_a_page_is_told_all_then_only_what_changed_and_never_a_secret(ask: Asker, open_page: Any) -> None:
    page = open_page()
    whole = until(lambda: page.events("whole"), "told all")[0]
    assert whole == ask("/live?list=" + NAME).json()
    job = ask("/get/0", worker="node1:1").json()
    change = until(lambda: page.events("change"), "told of the claim")[0]
    assert change["stages"] == {"0": {"jobs": 9}, "1": {"jobs": 1, "flagged": 0, "failed": 0}}
    assert {"list", "jobs", "done"}.isdisjoint(change)
    said = json.dumps(page.told)
    assert str(ask.jobix) not in said
    assert job["claim"] not in said


def test_changes_come_at_most_twice_a_second_and_add_up(ask: Asker, open_page: Any) -> None:
    page = open_page()
    numbers = until(lambda: page.events("whole"), "told all")[0]
    begun = time.monotonic()
    for _ in range(10):
        job = ask("/get/0", worker="node1:1").json()
        ask(f"/update_job/{job['jobid']}/2", claim=job["claim"])
    until(lambda: any(change.get("done") == 10 for change in page.events("change")), "told the end")
    changes = page.events("change")
    assert len(changes) <= 2 * (time.monotonic() - begun) + 1
    for change in changes:
        numbers = merged(numbers, change)
    now = ask("/live?list=" + NAME).json()
    assert {name: numbers[name] for name in ("done", "available", "working", "percent", "stages")} == {
        name: now[name] for name in ("done", "available", "working", "percent", "stages")
    }


@pytest.mark.parametrize("told_server", ["eventlet on postgresql"], indirect=True)
def test_on_postgresql_it_is_the_same(ask: Asker, open_page: Any) -> None:
    test_changes_come_at_most_twice_a_second_and_add_up(ask, open_page)


def test_a_tab_behind_others_is_told_less_and_all_at_once_when_it_comes_forward(ask: Asker, open_page: Any) -> None:
    front, behind = open_page(), open_page(behind=True)
    until(lambda: front.events("whole") and behind.events("whole"), "both told all")
    until(lambda: front.events("change") or ask("/get/0").json() == "nada", "told in front")
    assert not behind.events("change")
    behind.look(behind=False)
    latest = until(lambda: behind.events("whole")[1:], "told all again")[-1]
    assert latest["working"] == ask("/live?list=" + NAME).json()["working"]


def test_a_page_comes_back_by_itself_after_a_restart(told_server: Server, ask: Asker, open_page: Any) -> None:
    page = open_page()
    until(lambda: page.events("whole"), "told all")
    told_server.kill()
    told_server.start()
    ask.session.close()
    job = ask("/get/0").json()
    until(lambda: len(page.events("whole")) > 1, "told all again")
    ask(f"/update_job/{job['jobid']}/2", claim=job["claim"])
    until(lambda: any(change.get("done") == 1 for change in page.events("change")), "told what is new")


def test_open_pages_don_t_keep_a_server_from_stopping(told_server: Server, ask: Asker, open_page: Any) -> None:
    page = open_page()
    until(lambda: page.events("whole"), "told all")
    begun = time.monotonic()
    assert told_server.stop() == 0
    assert time.monotonic() - begun < 8  # it would wait 30 s for running requests


def test_a_list_that_is_not_there_is_said_to_be_unknown(ask: Asker, open_page: Any) -> None:
    page = open_page(name="nobody's")
    until(lambda: page.events("unknown"), "told so")
    page.client.emit("look", ["nonsense"])
    page.client.emit("look", {"list": NAME})
    until(lambda: page.events("whole"), "still answered")


def test_plain_wsgi_has_no_socket_io_and_says_so_to_the_page(tmp_path: Any) -> None:
    code = (
        "from jobserver import app; client = app.test_client();"
        "client.get('/init/0/10?name=gaia', headers={'jobix': '1'});"
        "client.post('/set', json={'1': {}}, headers={'jobix': '1'});"
        "print(client.get('/socket.io/?EIO=4&transport=polling').status_code,"
        " 'data-sockets=\"no\"' in client.get('/get?list=gaia', headers={'Accept': 'text/html'}).text)"
    )
    environment = {**os.environ, "JOBSERVER_INSTANCE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"404 True\s*", done.stdout)
