"""What the page costs, at a million jobs and 200 changes a second: python -m bench.pages [JOBS]

First byte and size of the page, time of its tables filtered and sorted; and what ten open pages cost the workers, in
turns with none. The result is put into docs/pages.md. About three minutes.
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

from bench.started import CONTEXT, ROOT, beside, change, drain, fill, server
from bench.tables import machine, put, table

JOBS, CHANGES = 1_000_000, 200
ROUNDS, TURNS, TURN_S, DRAINERS, PAGES = 15, 7, 4.0, 4, 10
TABLES = {
    "first page of jobs": "",
    "stage 2": "&stage=2",
    "state working": "&state=working",
    "state done": "&state=done",
    "worker node3": "&worker=node3",
    "one job": "&job=777777",
    "text, found late": "&q=0999999",
    "text, found nowhere": "&q=nowhere",
    "sorted by time": "&sort=since&down=1",
    "sorted by stage": "&sort=stage&down=1",
    "sorted by worker, stage 0": "&sort=worker&stage=0",
}


def asked(port: int, path: str) -> tuple[float, float, bytes]:
    """Milliseconds to the first byte and to the last byte, and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    begun = time.perf_counter()
    connection.request("GET", path, headers={"Accept": "text/html"})
    answer = connection.getresponse()
    first = time.perf_counter()
    body = answer.read()
    last = time.perf_counter()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return (first - begun) * 1000, (last - begun) * 1000, body


def answers(port: int) -> list[tuple[str, ...]]:
    """The page and its tables, in turns, while the list changes."""
    paths = {"the page, first byte": "/get?list=bench"} | {
        f"table: {what}": f"/rows?list=bench{query}" for what, query in TABLES.items()
    }
    took: dict[str, list[float]] = {what: [] for what in paths}
    size = 0
    with beside(change, port, CHANGES):
        time.sleep(2)
        for _ in range(ROUNDS):
            for what, path in paths.items():
                first, last, body = asked(port, path)
                took[what].append(first if "page, first" in what else last)
                size = len(body) if "page, first" in what else size
    rows = [(what, f"{statistics.median(ms):.0f} ms", f"{max(ms):.0f} ms") for what, ms in took.items()]
    return [*rows, ("the page's HTML", f"{size / 1000:.0f} KB", "")]


def whole(port: int) -> float:
    """KB of all that a browser loads for the page, as it is sent (nothing is packed by our server)."""
    static = ROOT / "static"
    libraries = [
        "htmx.org/dist/htmx.min.js",
        "idiomorph/dist/idiomorph-ext.min.js",
        "socket.io-client/dist/socket.io.esm.min.js",
        "uplot/dist/uPlot.iife.min.js",
        "uplot/dist/uPlot.min.css",
    ]
    files = [*static.glob("*.js"), *static.glob("*.css"), *(static / "node_modules" / name for name in libraries)]
    return (len(asked(port, "/get?list=bench")[2]) + sum(file.stat().st_size for file in files)) / 1000


def look(port: int, ended: Any) -> None:
    """The load of one page: a Socket.IO connection, its tables at most every two seconds, and its chart."""
    changed, client = threading.Event(), socketio.Client()
    client.on("summary", lambda _html: changed.set())
    client.on("connect", lambda: client.emit("look", {"list": "bench", "hidden": False}))
    client.connect(f"http://127.0.0.1:{port}", transports=["websocket"])
    turn = 0
    while not ended.wait(2):
        if changed.is_set():
            changed.clear()
            asked(port, "/rows?list=bench")
        if turn % 10 == 0:
            asked(port, "/chart?list=bench&span=hour")
        turn += 1
    client.disconnect()


def cost(port: int) -> tuple[list[float], list[float]]:
    """Jobs a second of the workers without pages and with ten, turn by turn."""
    counter = CONTEXT.Value("q", 0)
    rates: dict[bool, list[float]] = {False: [], True: []}

    def turn(watched: bool) -> None:
        time.sleep(1)
        begun, before = time.perf_counter(), counter.value
        time.sleep(TURN_S)
        rates[watched].append((counter.value - before) / (time.perf_counter() - begun))

    with beside(drain, port, counter, n=DRAINERS):
        for number in range(TURNS):
            turn(False)
            with beside(look, port, n=PAGES):
                time.sleep(2)  # they are there
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
        rows = [*answers(port), ("with all that it loads", f"{whole(port):.0f} KB", "")]
        alone, watched = cost(port)
    ratios = [with_pages / without for without, with_pages in zip(alone, watched, strict=True)]
    told = table(("", "median", "longest"), rows)
    told += (
        f"\n\nTen open pages left the workers {statistics.median(ratios):.0%} of their throughput (median of {TURNS}"
        f" turns, {min(ratios):.0%} to {max(ratios):.0%}; {statistics.median(alone):.0f} jobs a second without,"
        f" {DRAINERS} workers, one request a job).\n\nMeasured by `bench/pages.py` with {jobs:,} jobs and {CHANGES}"
        f" changes a second: {machine()}."
    )
    print(told)
    if jobs == JOBS:
        put(ROOT / "docs/pages.md", "bench/pages.py", told)


if __name__ == "__main__":
    main(int(sys.argv[1].replace("_", "")) if sys.argv[1:] else JOBS)
