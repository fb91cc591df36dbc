"""Runs servers in processes of their own, and clients that put load on them."""

import http.client
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECRET = "4711"
CONTEXT = multiprocessing.get_context("spawn")  # fork is unsafe: the parent may have threads


class JsonClient:
    """One keep-alive connection to the server, with the secret key of the benchmark's list."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __call__(self, path: str, body: object = None, **headers: str) -> Any:
        """Sends a request, a POST if it has a body; returns the JSON of the response. RuntimeError unless it is 200."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request("GET" if data is None else "POST", path, data, {"jobix": SECRET} | headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {content[:200]!r}")
        return json.loads(content)


@contextmanager
def server(folder: Path, **settings: str) -> Iterator[int]:
    """Runs a server with its data in the folder; yields its port."""
    with server_process(folder, **settings) as (port, _pid):
        yield port


@contextmanager
def server_process(folder: Path, **settings: str) -> Iterator[tuple[int, int]]:
    """Runs a server with its data in the folder; yields its port and its process id."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
    options = {"CONFIG": "", "INSTANCE": str(folder), "PORT": "0", "LOG_LEVEL": "WARNING"} | settings
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env=environment | {f"JOBSERVER_{name}": value for name, value in options.items()},
    )  # fmt: skip
    assert process.stderr
    try:
        line = process.stderr.readline()
        match = re.search(r":(\d+)/get", line)
        if match is None:
            raise RuntimeError(line + process.stderr.read())
        yield int(match[1]), process.pid
    finally:
        process.terminate()
        process.wait(60)


def fill(port: int, jobs: int, name: str = "bench", lifetimes: str = "0/10/0/10") -> float:
    """Creates a list with this many jobs, by default with stages 0 to 4. Returns the seconds of its one `/set`."""
    client = JsonClient(port)
    client(f"/init/{lifetimes}?name={name}")
    body = ",".join(f'"{jobid}":{{"jobcmd":{{"file":"data/{jobid:07d}.fits"}}}}' for jobid in range(jobs))
    started = time.perf_counter()
    client("/set", f"{{{body}}}".encode())
    return time.perf_counter() - started


@contextmanager
def in_background(work: Callable[..., None], *values: Any, n: int = 1) -> Iterator[None]:
    """Runs work(*values, stop) in n processes during the `with` block; then sets the event `stop`."""
    stop = CONTEXT.Event()
    processes = [CONTEXT.Process(target=work, args=(*values, stop), daemon=True) for _ in range(n)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        stop.set()
        for process in processes:
            process.join(30)


def change(port: int, a_second: int, stop: Any) -> None:
    """Makes this many changes a second (claims and completions), by workers that hold 20 jobs at a time."""
    client, pause_s, turn, worker = JsonClient(port), 40 / a_second, time.perf_counter(), 0
    while not stop.is_set():
        worker = (worker + 1) % 16
        held = client("/get/0?n=20", worker=f"node{worker}")
        client("/update_jobs", [{"jobid": job["jobid"], "jobstage": 2, "claim": job["claim"]} for job in held])
        turn += pause_s
        time.sleep(max(0.0, turn - time.perf_counter()))


def drain(port: int, counter: Any, stop: Any) -> None:
    """Drains one job after another, one job a request, and counts them."""
    client = JsonClient(port)
    job = client("/get/0", worker="drain")
    while not stop.is_set():
        path = f"/update_job/{job['jobid']}/2?next=0"
        job = client(path, {}, claim=job["claim"], worker="drain")["next"]
        with counter.get_lock():
            counter.value += 1


@contextmanager
def program(module: str, *arguments: str) -> Iterator[int]:
    """Runs a module of the benchmark that serves and prints its port; yields the port."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
