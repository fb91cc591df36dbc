"""Snapshots that open pages receive by Socket.IO, in every async mode."""

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.support.live_page import NAME
from tests.support.server import ApiClient, Server
from tests.support.until import until


def test_a_page_gets_a_snapshot_for_each_change_without_secrets(api: ApiClient, open_page: Any) -> None:
    page = open_page()
    first = until(page.numbers, "a first snapshot")[0]
    now = api("/live?list=" + NAME).json()
    assert {name: first[name] for name in ("jobs", "done", "percent")} == {
        name: now[name] for name in ("jobs", "done", "percent")
    }
    assert first["available"] == 10
    job = api("/get/0", worker="node1:1").json()
    with_claim = until(lambda: [n for n in page.numbers() if n["working"]], "a snapshot after the claim")
    change = with_claim[0]
    assert change["stages"] == {
        "0": {"jobs": 9, "flagged": 0, "failed": 0}, "1": {"jobs": 1, "flagged": 0, "failed": 0}
    }  # fmt: skip
    text = json.dumps(page.received)
    assert str(api.jobix) not in text
    assert job["claim"] not in text


def test_a_poll_returns_the_same_fragment_with_an_etag(api: ApiClient, open_page: Any) -> None:
    page = open_page()
    until(page.numbers, "a first snapshot")
    response = api("/summary?list=" + NAME)
    assert page.events("summary")[0] == response.text
    unchanged = api("/summary?list=" + NAME, if_none_match=response.headers["ETag"])
    assert (unchanged.status_code, unchanged.text) == (304, "")
    api("/get/0")
    assert api("/summary?list=" + NAME, if_none_match=response.headers["ETag"]).status_code == 200


def test_snapshots_come_at_most_twice_a_second_and_end_correct(api: ApiClient, open_page: Any) -> None:
    page = open_page()
    until(page.numbers, "a first snapshot")
    start_s, before = time.monotonic(), len(page.numbers())
    for _ in range(10):
        job = api("/get/0", worker="node1:1").json()
        time.sleep(0.1)
        api(f"/update_job/{job['jobid']}/2", claim=job["claim"])
        time.sleep(0.1)
    until(lambda: page.numbers()[-1]["done"] == 10, "a snapshot of the end")
    assert len(page.numbers()) - before <= 2 * (time.monotonic() - start_s) + 2
    now = api("/live?list=" + NAME).json()
    numbers = page.numbers()[-1]
    assert {name: numbers[name] for name in ("done", "working", "percent", "stages")} == {
        name: now[name] for name in ("done", "working", "percent", "stages")
    }


@pytest.mark.parametrize("live_server", ["eventlet on postgresql"], indirect=True)
def test_snapshots_on_postgresql(api: ApiClient, open_page: Any) -> None:
    test_snapshots_come_at_most_twice_a_second_and_end_correct(api, open_page)


def test_a_hidden_tab_gets_fewer_snapshots_until_it_is_shown(api: ApiClient, open_page: Any) -> None:
    front, hidden = open_page(), open_page(hidden=True)
    until(lambda: front.numbers() and hidden.numbers(), "a first snapshot for both")
    time.sleep(1)
    before = len(hidden.numbers())
    for _ in range(4):
        api("/get/0")
        time.sleep(0.6)
    assert len(front.numbers()) >= 4
    assert len(hidden.numbers()) <= before + 1  # one may be pending
    hidden.look(hidden=False)
    until(lambda: hidden.numbers()[-1]["working"] == 4, "the latest snapshot", within_s=3)


def test_a_page_reconnects_after_a_restart(live_server: Server, api: ApiClient, open_page: Any) -> None:
    page = open_page()
    until(page.numbers, "a first snapshot")
    live_server.kill()
    live_server.start()
    api.session.close()
    job = api("/get/0").json()
    until(lambda: page.numbers()[-1]["working"] == 1, "a snapshot of the new server")
    api(f"/update_job/{job['jobid']}/2", claim=job["claim"])
    until(lambda: page.numbers()[-1]["done"] == 1, "a snapshot of what is new")


def test_open_pages_do_not_delay_a_shutdown(live_server: Server, api: ApiClient, open_page: Any) -> None:
    page = open_page()
    until(page.numbers, "a first snapshot")
    start_s = time.monotonic()
    assert live_server.stop() == 0
    assert time.monotonic() - start_s < 8  # a shutdown waits 30 s for running requests


def test_a_page_of_a_missing_list_gets_an_unknown_event(api: ApiClient, open_page: Any) -> None:
    page = open_page(name="missing")
    until(lambda: page.events("unknown"), "an unknown event")
    page.client.emit("look", ["nonsense"])
    page.client.emit("look", {"list": NAME})
    until(page.numbers, "a snapshot in spite of it")


def test_plain_wsgi_has_no_socket_io_and_the_page_knows(tmp_path: Any) -> None:
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
