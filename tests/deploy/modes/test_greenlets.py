"""Green threads that serve one connection after another lose none, and keep nothing."""

import json
import subprocess
import sys

from tests.conftest import ROOT

CROWD = """
import json
import eventlet, greenlet
from eventlet.hubs import get_hub
from jobserver import greenlets

greenlets.KEPT = 3
served, begun, ended = [], [], []

def serve(number):
    served.append(greenlet.getcurrent())
    begun.append(number)
    eventlet.sleep(0.001)
    ended.append(number)
    if number % 5 == 0:
        raise ValueError("broken")

def come(numbers):
    for number in numbers:
        pool.begin(number)
        assert begun[-1] == number, "it waits for its turn"

def crowd(numbers):
    get_hub().schedule_call_global(0, come, numbers)
    while sorted(ended) != list(range(numbers.stop)):
        eventlet.sleep(0.001)

def kept():
    return [one for one in set(served) if not one.dead]

pool = greenlets.Greenlets(serve)
crowd(range(30))
for one in kept():  # timers that connections left
    eventlet.spawn_after(0, one.switch, "late")
    eventlet.spawn_after(0, one.throw, eventlet.Timeout())
eventlet.sleep(0.01)
crowd(range(30, 40))
print(json.dumps({"served": len(served), "by": len(set(served)), "kept": len(kept())}))
"""


def test_a_crowd_is_served_by_a_few_that_break_for_none_of_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CROWD], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(ran.stdout) == {"served": 40, "by": 37, "kept": 3}  # 30, then the three that stayed and 7 more
    assert ran.stderr.count("a connection ended by an error: ValueError: broken") == 8
