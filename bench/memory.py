"""The server's memory over time: python -m bench.memory [MINUTES]

For an hour, workers make 600 changes a second, a master adds jobs every half minute, and a page polls every two
seconds. A run of at least half an hour writes its result to docs/performance.md.
"""

import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.servers import ROOT, JsonClient, change, fill, in_background, server_process
from bench.tables import machine, table, write_section

MINUTES, LEAST = 60.0, 30.0
EVERY_S, PAGE_S, CHANGES, JOBS = 30.0, 2.0, 600, 10_000


def main(minutes: float) -> None:
    """Measures, prints and writes."""
    rows = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # run the cleanup that ends child processes
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        fill(port, JOBS, lifetimes="0/10")
        client, page, process = JsonClient(port), JsonClient(port), psutil.Process(pid)
        started, jobs = time.perf_counter(), JOBS
        with in_background(change, port, CHANGES):
            for number in range(round(minutes * 60 / EVERY_S) + 1):
                while time.perf_counter() < started + number * EVERY_S:
                    page("/live?list=bench")
                    time.sleep(PAGE_S)
                rows.append((number * EVERY_S / 60, process.memory_info().rss / 1e6, client("/get")["done"]))
                print(*rows[-1], flush=True)
                more = round(CHANGES / 2 * EVERY_S)
                client("/set", json.dumps({str(jobid): {} for jobid in range(jobs, jobs + more)}).encode())
                jobs += more
    printed = [row for row in rows if row[0] % 5 == 0]
    text = table(
        ("minute", "server's memory", "jobs done"),
        [(f"{minute:.0f}", f"{mb:.1f} MB", f"{done:,}") for minute, mb, done in printed],
    )
    text += f"\n\nMeasured by `bench/memory.py`, {CHANGES} changes a second: {machine()}."
    print(text)
    if minutes >= LEAST:
        write_section(ROOT / "docs/performance.md", "bench/memory.py", text)


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else MINUTES)
