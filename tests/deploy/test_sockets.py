"""A server without a free file descriptor accepts connections again when some are closed."""

import resource
import socket
from contextlib import ExitStack

import psutil
import pytest

from tests.support.server import ApiClient
from tests.support.until import until

SPARE_DESCRIPTORS = 15


@pytest.mark.parametrize("mode", ["eventlet", "gevent", "threading"])
def test_a_server_recovers_after_running_out_of_file_descriptors(new_server, jobix, mode):
    server = new_server(async_mode=mode).start()
    api = ApiClient(server.url, jobix)
    assert api("/set", {"1": {}, "2": {}}).status_code == 200
    process = psutil.Process(server.process.pid)
    limit = process.num_fds() + SPARE_DESCRIPTORS
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    with ExitStack() as many:
        for _ in range(3 * SPARE_DESCRIPTORS):
            many.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        until(lambda: process.num_fds() >= limit - 1)
        if mode != "threading":  # threading closes the connection after each response
            assert api("/").status_code == 200
    until(lambda: process.num_fds() < limit - SPARE_DESCRIPTORS // 2)
    assert server.process.poll() is None
    for _ in range(5):
        assert ApiClient(server.url, jobix).session.get(server.url + "/", timeout=10).status_code == 200
    assert api("/get/0").json()["jobid"] == 1
    assert server.stop() == 0
