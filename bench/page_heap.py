"""Whether an open page's heap is flat: python -m bench.page_heap [MINUTES]

A real Chromium has the live page open for ten minutes, while 200 changes a second are made; its JavaScript heap is
collected and read every half minute. The result is put into docs/pages.md.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.started import ROOT, beside, change, fill, server
from bench.tables import machine, put, table

MINUTES, EVERY_S, JOBS, CHANGES = 10.0, 30.0, 200_000, 200


def main(minutes: float) -> None:
    """Measures, prints and writes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as port, sync_playwright() as playwright:
        fill(port, JOBS)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/get?list=bench")
        page.wait_for_selector("#status.live")
        inspector = page.context.new_cdp_session(page)
        inspector.send("Performance.enable")
        begun = time.perf_counter()
        with beside(change, port, CHANGES):
            for number in range(round(minutes * 60 / EVERY_S) + 1):
                time.sleep(max(0.0, begun + number * EVERY_S - time.perf_counter()))
                passed = time.perf_counter() - begun
                inspector.send("HeapProfiler.collectGarbage")
                found = {one["name"]: one["value"] for one in inspector.send("Performance.getMetrics")["metrics"]}
                rows.append(
                    (
                        passed / 60,
                        found["JSHeapUsedSize"] / 1e6,
                        int(found["Nodes"]),
                        page.inner_text("#key li:nth-child(3) b"),
                    )
                )
                print(*rows[-1], flush=True)
        chromium.close()
    shown = [row for row in rows if round(row[0] * 2) % 4 == 0]
    told = table(
        ("minute", "heap", "nodes", "jobs through stage 1, on the page"),
        [(f"{minute:.0f}", f"{mb:.2f} MB", nodes, done) for minute, mb, nodes, done in shown],
    )
    told += f"\n\nMeasured by `bench/page_heap.py` with {JOBS:,} jobs and {CHANGES} changes a second: {machine()}."
    print(told)
    if minutes == MINUTES:
        put(ROOT / "docs/pages.md", "bench/page_heap.py", told)


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else MINUTES)
