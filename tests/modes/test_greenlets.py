"""Green threads that serve one connection after another lose none, and keep nothing."""

import json
import subprocess
import sys

from tests.conftest import ROOT

CROWD = """
import json
import eventlet, greenlet
from jobserver import greenlets

greenlets.KEPT = 3
served, cleaned, at_once = [], [], [0]

def serve(number):
    served.append(greenlet.getcurrent())
    at_once.append(at_once[-1] + 1)
    eventlet.sleep(0.001)
    at_once.append(at_once[-1] - 1)
    if number % 5 == 0:
        raise ValueError("broken")

def crowd(numbers):
    for number in numbers:
        pool.spawn(serve, number).link(lambda _task, number: cleaned.append(number), number)
    pool.waitall()

def kept():
    return [one for one in set(served) if not one.dead]

pool = greenlets.Greenlets(7)
crowd(range(30))
for one in kept():  # timers that connections left
    eventlet.spawn_after(0, one.switch, "late")
    eventlet.spawn_after(0, one.throw, eventlet.Timeout())
eventlet.sleep(0.01)
crowd(range(30, 40))
print(json.dumps({
    "most at once": max(at_once), "left": at_once[-1], "cleaned": sorted(cleaned) == list(range(40)),
    "served": len(served), "by": len(set(served)), "kept": len(kept()),
}))
"""


def test_a_crowd_is_served_by_a_few_that_break_for_none_of_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CROWD], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    told = json.loads(ran.stdout)
    by = told.pop("by")
    assert told == {"most at once": 7, "left": 0, "cleaned": True, "served": 40, "kept": 3}
    assert by < 40  # some served several
    assert ran.stderr.count("a connection ended by an error: ValueError: broken") == 8
