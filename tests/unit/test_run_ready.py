"""run_ready() of the event loops: the commit queue calls it so that requests that have arrived share a commit."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

WAITING = 20
PROGRAM = f"""
import sys
from jobserver.server import async_modes
async_modes.patch(sys.argv[1])
import socket, threading, time
from jobserver.core.concurrency import run_ready

pairs = [socket.socketpair() for _ in range({WAITING})]
handled = []
for server, _client in pairs:
    threading.Thread(target=lambda server=server: handled.append(server.recv(10)), daemon=True).start()
time.sleep(0.1)  # all threads wait for their sockets
for _server, client in pairs:
    client.send(b"request")
run_ready()
print(len(handled))
"""


@pytest.mark.parametrize("mode", ["eventlet", "gevent"])
def test_requests_that_have_arrived_run_before_it_returns(mode: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, mode], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.strip() == str(WAITING), run.stderr
