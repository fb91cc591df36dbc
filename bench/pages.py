"""The cost of the page at a million jobs and 200 changes a second: python -m bench.pages [JOBS]

Measures the first byte and the size of the page, its filtered and sorted tables, and the throughput of workers with and
without ten open pages, in turns. The result is written to docs/pages.md. Takes about three minutes.
"""

import http.client
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import socketio

from bench.servers import CONTEXT, ROOT, change, drain, fill, in_background, server
from bench.tables import machine, table, write_section

JOBS, CHANGES = 1_000_000, 200
ROUNDS, TURNS, TURN_S, DRAINERS, PAGES = 15, 7, 4.0, 4, 10
TABLES = {
    "first page of jobs": "",
    "stage 2": "&stage=2",
    "state working": "&state=working",
    "state done": "&state=done",
    "worker node3": "&worker=node3",
    "one job": "&job=777777",
    "text, one match at the end": "&q=0999999",
    "text, no match": "&q=nowhere",
    "sorted by time": "&sort=since&down=1",
    "sorted by stage": "&sort=stage&down=1",
    "sorted by worker, stage 0": "&sort=worker&stage=0",
}


def get(port: int, path: str) -> tuple[float, float, bytes]:
    """Milliseconds to the first byte and to the last byte, and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    started = time.perf_counter()
    connection.request("GET", path, headers={"Accept": "text/html"})
    response = connection.getresponse()
    first = time.perf_counter()
    body = response.read()
    last = time.perf_counter()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status}")
    return (first - started) * 1000, (last - started) * 1000, body


def page_times(port: int) -> list[tuple[str, ...]]:
    """Times of the page and its tables, in turns, while the list changes."""
    paths = {"the page, first byte": "/get?list=bench"} | {
        f"table: {name}": f"/rows?list=bench{query}" for name, query in TABLES.items()
    }
    times_ms: dict[str, list[float]] = {name: [] for name in paths}
    size = 0
    with in_background(change, port, CHANGES):
        time.sleep(2)
        for _ in range(ROUNDS):
            for name, path in paths.items():
                first, last, body = get(port, path)
                times_ms[name].append(first if "page, first" in name else last)
                size = len(body) if "page, first" in name else size
    rows = [(name, f"{statistics.median(ms):.0f} ms", f"{max(ms):.0f} ms") for name, ms in times_ms.items()]
    return [*rows, ("the page's HTML", f"{size / 1000:.0f} KB", "")]


def total_kb(port: int) -> float:
    """KB that a browser loads for the page. The server does not compress."""
    static = ROOT / "static"
    libraries = [
        "htmx.org/dist/htmx.min.js",
        "idiomorph/dist/idiomorph-ext.min.js",
        "socket.io-client/dist/socket.io.esm.min.js",
        "uplot/dist/uPlot.iife.min.js",
        "uplot/dist/uPlot.min.css",
    ]
    files = [*static.glob("*.js"), *static.glob("*.css"), *(static / "node_modules" / name for name in libraries)]
    return (len(get(port, "/get?list=bench")[2]) + sum(file.stat().st_size for file in files)) / 1000


def watch(port: int, stop: Any) -> None:
    """The load of one page: a Socket.IO connection, its tables at most every two seconds, and its chart."""
    changed, client = threading.Event(), socketio.Client()
    client.on("summary", lambda _html: changed.set())
    client.on("connect", lambda: client.emit("look", {"list": "bench", "hidden": False}))
    client.connect(f"http://127.0.0.1:{port}", transports=["websocket"])
    turn = 0
    while not stop.wait(2):
        if changed.is_set():
            changed.clear()
            get(port, "/rows?list=bench")
        if turn % 10 == 0:
            get(port, "/chart?list=bench&span=hour")
        turn += 1
    client.disconnect()


def cost(port: int) -> tuple[list[float], list[float]]:
    """Jobs a second of the workers without open pages and with ten, turn by turn."""
    counter = CONTEXT.Value("q", 0)
    rates: dict[bool, list[float]] = {False: [], True: []}

    def turn(watched: bool) -> None:
        time.sleep(1)
        started, before = time.perf_counter(), counter.value
        time.sleep(TURN_S)
        rates[watched].append((counter.value - before) / (time.perf_counter() - started))

    with in_background(drain, port, counter, n=DRAINERS):
        for number in range(TURNS):
            turn(False)
            with in_background(watch, port, n=PAGES):
                time.sleep(2)  # until the pages are connected
                turn(True)
            print(
                f"turn {number + 1} of {TURNS}: {rates[False][-1]:.0f}, watched {rates[True][-1]:.0f} jobs/s",
                flush=True,
            )
    return rates[False], rates[True]


def main(jobs: int) -> None:
    """Measures, prints and writes."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as port:
        print(f"{jobs:,} jobs set in {fill(port, jobs):.1f} s", flush=True)
        rows = [*page_times(port), ("with all files that it loads", f"{total_kb(port):.0f} KB", "")]
        without_pages, with_pages = cost(port)
    ratios = [watched / alone for alone, watched in zip(without_pages, with_pages, strict=True)]
    text = table(("", "median", "longest"), rows)
    text += (
        f"\n\nTen open pages left the workers {statistics.median(ratios):.0%} of their throughput (median of {TURNS}"
        f" turns, {min(ratios):.0%} to {max(ratios):.0%}; {statistics.median(without_pages):.0f} jobs a second without,"
        f" {DRAINERS} workers, one request a job).\n\nMeasured by `bench/pages.py` with {jobs:,} jobs and {CHANGES}"
        f" changes a second: {machine()}."
    )
    print(text)
    if jobs == JOBS:
        write_section(ROOT / "docs/pages.md", "bench/pages.py", text)


if __name__ == "__main__":
    main(int(sys.argv[1].replace("_", "")) if sys.argv[1:] else JOBS)
