"""Green threads that wait for each other's word get it, and are woken by nothing that was meant for an earlier wait."""

import json
import subprocess
import sys

from tests.conftest import ROOT

WAITS = """
import json
from jobserver.core import concurrency

concurrency.patch("eventlet")
import time
import eventlet

told = {}

def slept_s(seconds):
    begun = time.monotonic()
    eventlet.sleep(seconds)
    return time.monotonic() - begun

before = concurrency.gate()
before.set()
told["set before"] = [before.wait(60), before.is_set()]

never = concurrency.gate()
told["never set"] = [never.wait(0.001), never.is_set()]

def twice():
    never.set()
    never.set()

eventlet.spawn_after(0.01, twice)
told["set by another"] = [never.wait(60), slept_s(0.05) >= 0.05]

crossing = concurrency.gate()

def as_the_time_is_over():
    over = time.monotonic() + 0.05
    while time.monotonic() < over:
        pass
    crossing.set()

eventlet.spawn_after(0, as_the_time_is_over)
told["set as the time is over"] = [crossing.wait(0.02), slept_s(0.05) >= 0.05]
print(json.dumps(told))
"""


def test_who_waits_is_told_once_and_nothing_wakes_it_later() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WAITS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(ran.stdout) == {
        "set before": [True, True],
        "never set": [False, False],
        "set by another": [True, True],
        "set as the time is over": [True, True],
    }
    assert ran.stderr == ""
