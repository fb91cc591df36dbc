"""The JavaScript heap of an open page over time: python -m bench.page_heap [MINUTES]

A real Chromium shows the live page for ten minutes, while workers make 200 changes a second. Every half minute its
garbage is collected and its heap is read. The result is written to docs/pages.md.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.servers import ROOT, change, fill, in_background, server
from bench.tables import machine, table, write_section

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
        started = time.perf_counter()
        with in_background(change, port, CHANGES):
            for number in range(round(minutes * 60 / EVERY_S) + 1):
                time.sleep(max(0.0, started + number * EVERY_S - time.perf_counter()))
                elapsed = time.perf_counter() - started
                inspector.send("HeapProfiler.collectGarbage")
                metrics = {
                    metric["name"]: metric["value"] for metric in inspector.send("Performance.getMetrics")["metrics"]
                }
                rows.append(
                    (
                        elapsed / 60,
                        metrics["JSHeapUsedSize"] / 1e6,
                        int(metrics["Nodes"]),
                        page.inner_text("#key li:nth-child(3) b"),
                    )
                )
                print(*rows[-1], flush=True)
        chromium.close()
    printed = [row for row in rows if round(row[0] * 2) % 4 == 0]
    text = table(
        ("minute", "heap", "nodes", "jobs through stage 1, on the page"),
        [(f"{minute:.0f}", f"{mb:.2f} MB", nodes, done) for minute, mb, nodes, done in printed],
    )
    text += f"\n\nMeasured by `bench/page_heap.py` with {JOBS:,} jobs and {CHANGES} changes a second: {machine()}."
    print(text)
    if minutes == MINUTES:
        write_section(ROOT / "docs/pages.md", "bench/page_heap.py", text)


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else MINUTES)
