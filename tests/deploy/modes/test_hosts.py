"""Requests for foreign host names are refused. This prevents DNS rebinding attacks by web pages."""

import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT, ApiClient
from tests.support.raw_requests import send
from tests.support.snapshot import rows

FOREIGN = "evil.example"
PATHS = ["/", "/get", "/get/0", "/set", "/update_job/1/2", "/update_jobs", "/heartbeat", "/init", "/static/live.js"]
SOCKET_IO = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}  # fmt: skip


@pytest.mark.parametrize("host", [FOREIGN, f"{FOREIGN}:80", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example"])
def test_a_foreign_host_is_refused_on_every_route(shared, jobix, host):
    for path in PATHS:
        status, body = send(shared, "POST", path, {"Host": host, "jobix": jobix}, b"{}")
        assert status == 403, (path, body)
        assert b'"host_not_allowed"' in body
        assert b"JOBSERVER_ALLOWED_HOSTS" in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:5000", "[::1]:80", "192.168.7.7", socket.gethostname(), None])
def test_the_machines_own_names_and_addresses_are_allowed(shared, jobix, host):
    raw = b"GET /get/0 HTTP/1.%d\r\njobix: %d\r\n%s\r\n" % (
        host is not None, jobix, f"Host: {host}\r\n".encode() if host else b"",
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(raw)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def opened(server, **headers):
    """Opens a WebSocket with these headers and sends a hello. Returns all data of the first second."""
    named = SOCKET_IO | {name.capitalize(): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    raw = f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n{head}\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
        connection.sendall(raw)
        received = b""
        try:
            while piece := connection.recv(4096):
                received += piece
        except TimeoutError:
            pass
        return received


def test_a_websocket_opens_for_allowed_hosts_only(shared):
    own = f"127.0.0.1:{shared.port}"
    assert b'"sid"' in opened(shared, host=own, origin=f"http://{own}")
    assert b'"sid"' not in opened(shared, host=FOREIGN, origin=f"http://{FOREIGN}")
    assert b'"sid"' not in opened(shared, host=own, origin=f"http://{FOREIGN}")


def test_the_setting_adds_allowed_names(new_server, mode, jobix):
    server = new_server(async_mode=mode, allowed_hosts="jobs.example.org,.cluster.example.org").start()
    for host, status in (
        ("jobs.example.org", 200),
        ("a.cluster.example.org:80", 200),
        ("127.0.0.1", 200),
        (FOREIGN, 403),
    ):
        assert send(server, "GET", "/get/0", {"Host": host, "jobix": jobix})[0] == status
    assert ApiClient(server.url, jobix)("/init").ok
    assert rows(server, "SELECT count(*) FROM job_list") == [(1,)]


def test_under_wsgi_only_the_setting_allows_hosts(tmp_path):
    code = """
import os, sys
os.environ["JOBSERVER_CONFIG"] = ""
from jobserver import create_app
client = create_app().test_client()
print(*(client.get("/", headers={"Host": host}).status_code for host in sys.argv[1:]))
"""
    for allowed, statuses in (("", "200 200 200"), ("jobs.example.org", "200 403 200")):
        done = subprocess.run(
            [sys.executable, "-c", code, "jobs.example.org", FOREIGN, "127.0.0.1"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
            env={"JOBSERVER_INSTANCE": str(tmp_path), "JOBSERVER_ALLOWED_HOSTS": allowed},
        )  # fmt: skip
        assert done.stdout.strip() == statuses
