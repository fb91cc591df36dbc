"""Single requests to a real Apache: responses stay intact, and large bodies are refused early."""

import contextlib
import gzip
import json
import socket
import time

import pytest
import requests
from simple_websocket import ConnectionError

from tests.support.apache.pages import WebSocketPage
from tests.support.server import ApiClient
from tests.support.until import until


def test_a_body_of_1_gb_is_refused_before_it_is_sent(apache, jobix):
    with socket.create_connection(("127.0.0.1", apache.port), timeout=20) as connection:
        connection.sendall(
            f"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: {jobix}\r\nContent-Length: 1000000000\r\n\r\n".encode()
        )
        response = connection.recv(10_000).decode()
    assert response.startswith("HTTP/1.1 413")
    assert json.loads(response.partition("\r\n\r\n")[2])["error"] == "too_large"


def test_bodies_without_a_length_are_read_up_to_the_limit(plain, jobix):
    def api(pieces):
        return requests.post(plain.url + "/set", data=iter(pieces), headers={"jobix": str(jobix)}, timeout=60)

    assert api([b'{"1": {"jobcmd": "', b"x" * 5_000_000, b'"}}']).json()["new"] == 1
    with contextlib.suppress(requests.ConnectionError):  # the server may respond without reading the rest
        assert api([b'{"2": {"jobcmd": "', *[b"x" * 1_000_000] * 40, b'"}}']).status_code == 413
    assert ApiClient(plain.url, jobix)("/get").json()["jobs"] == 1


@pytest.mark.parametrize("refused_by", ["too large when inflated", "refused before it is read"])
def test_a_refused_large_body_gets_its_response(plain, jobix, refused_by):
    if refused_by == "too large when inflated":
        response = requests.post(
            plain.url + "/set", data=gzip.compress(b"0" * 500_000_000, 1), headers={"jobix": str(jobix)}, timeout=60
        )
        assert (response.status_code, response.json()["error"]) == (413, "too_large")
    else:
        response = requests.post(plain.url + "/set", data=b"0" * 15_000_000, timeout=60)
        assert (response.status_code, response.json()["error"]) == (403, "jobix_missing")


def test_an_unchanged_page_is_304(apache, jobix):
    """Apache compresses pages, and must not change their ETags."""
    ApiClient(apache.url, jobix)("/init/0/10?name=still")
    for path in ("/live?list=still", "/rows?list=still"):
        first = requests.get(apache.url + path, timeout=20)
        assert first.status_code == 200
        again = requests.get(apache.url + path, headers={"If-None-Match": first.headers["ETag"]}, timeout=20)
        assert (again.status_code, again.content) == (304, b"")


def test_a_page_is_complete_and_cannot_be_framed(apache, jobix):
    ApiClient(apache.url, jobix)("/init/0/10?name=été")
    page = requests.get(apache.url + "/get?list=été", headers={"Accept": "text/html"}, timeout=20)
    assert "été" in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert requests.get(apache.url + "/static/page.css", timeout=20).status_code == 200
    assert requests.get(apache.url + "/settings.py", timeout=20).status_code == 404


def test_a_page_learns_at_once_that_there_is_no_live_feed(plain):
    start_s = time.perf_counter()
    for transport in ("polling", "websocket"):
        response = requests.get(f"{plain.url}/socket.io/?EIO=4&transport={transport}", timeout=20)
        assert response.status_code == 404
    assert time.perf_counter() - start_s < 1


@pytest.mark.parametrize("apache", ["full"], indirect=True)
def test_a_separate_process_serves_the_live_feed(apache, jobix):
    ApiClient(apache.url, jobix)("/init/0/10?name=pushed")
    with contextlib.closing(WebSocketPage(apache.port, "pushed")) as websocket:
        ApiClient(apache.url, jobix)("/set", {"1": {}})
        until(lambda: websocket.numbers.get("jobs") == 1)
    with pytest.raises(ConnectionError, match="400"):
        WebSocketPage(apache.port, "pushed", "http://elsewhere.example")
    assert requests.get(f"http://127.0.0.1:{apache.push_port}/get", timeout=20).status_code == 404
