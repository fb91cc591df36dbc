"""Whether the server's memory is flat: python -m bench.memory [MINUTES]

For an hour 600 changes a second are made, jobs are added every half minute, and a page asks every two seconds. From
half an hour on the result is put into docs/performance.md.
"""

import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.started import ROOT, Asker, beside, change, fill, server_process
from bench.tables import machine, put, table

MINUTES, LEAST = 60.0, 30.0
EVERY_S, PAGE_S, CHANGES, JOBS = 30.0, 2.0, 600, 10_000


def main(minutes: float) -> None:
    """Measures, prints and writes."""
    rows = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        fill(port, JOBS, lifetimes="0/10")
        ask, page, process = Asker(port), Asker(port), psutil.Process(pid)
        begun, jobs = time.perf_counter(), JOBS
        with beside(change, port, CHANGES):
            for number in range(round(minutes * 60 / EVERY_S) + 1):
                while time.perf_counter() < begun + number * EVERY_S:
                    page("/live?list=bench")
                    time.sleep(PAGE_S)
                rows.append((number * EVERY_S / 60, process.memory_info().rss / 1e6, ask("/get")["done"]))
                print(*rows[-1], flush=True)
                more = round(CHANGES / 2 * EVERY_S)
                ask("/set", json.dumps({str(jobid): {} for jobid in range(jobs, jobs + more)}).encode())
                jobs += more
    shown = [row for row in rows if row[0] % 5 == 0]
    told = table(
        ("minute", "server's memory", "jobs done"),
        [(f"{minute:.0f}", f"{mb:.1f} MB", f"{done:,}") for minute, mb, done in shown],
    )
    told += f"\n\nMeasured by `bench/memory.py`, {CHANGES} changes a second: {machine()}."
    print(told)
    if minutes >= LEAST:
        put(ROOT / "docs/performance.md", "bench/memory.py", told)


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else MINUTES)
