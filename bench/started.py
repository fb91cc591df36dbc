"""A server process of the benchmark's own, and workers that do nothing but ask."""

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
CONTEXT = multiprocessing.get_context("spawn")  # what starts them may have threads


class Asker:
    """One keep-alive connection to the server, under the secret of the benchmark's list."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __call__(self, path: str, body: object = None, **headers: str) -> Any:
        """The JSON answer; RuntimeError if it is none of success."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request("GET" if data is None else "POST", path, data, {"jobix": SECRET} | headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {said[:200]!r}")
        return json.loads(said)


@contextmanager
def server(folder: Path, **settings: str) -> Iterator[int]:
    """The port of a server that runs from here on, with its data in the folder."""
    with server_process(folder, **settings) as (port, _pid):
        yield port


@contextmanager
def server_process(folder: Path, **settings: str) -> Iterator[tuple[int, int]]:
    """The same; its port and its process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
    own = {"CONFIG": "", "INSTANCE": str(folder), "PORT": "0", "LOG_LEVEL": "WARNING"} | settings
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env=kept | {f"JOBSERVER_{name}": value for name, value in own.items()},
    )  # fmt: skip
    assert process.stderr
    try:
        said = process.stderr.readline()
        found = re.search(r":(\d+)/get", said)
        if found is None:
            raise RuntimeError(said)
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.wait(60)


def fill(port: int, jobs: int, name: str = "bench", lifetimes: str = "0/10/0/10") -> float:
    """Makes the list, of stages 0 to 4 unless told, with that many jobs; the seconds that its one `/set` took."""
    ask = Asker(port)
    ask(f"/init/{lifetimes}?name={name}")
    body = ",".join(f'"{jobid}":{{"jobcmd":{{"file":"data/{jobid:07d}.fits"}}}}' for jobid in range(jobs))
    begun = time.perf_counter()
    ask("/set", f"{{{body}}}".encode())
    return time.perf_counter() - begun


@contextmanager
def beside(work: Callable[..., None], *values: Any, n: int = 1) -> Iterator[None]:
    """Runs work(port, …, ended) in n processes of their own; `ended` is set at the end."""
    ended = CONTEXT.Event()
    processes = [CONTEXT.Process(target=work, args=(*values, ended), daemon=True) for _ in range(n)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        ended.set()
        for process in processes:
            process.join(30)


def change(port: int, a_second: int, ended: Any) -> None:
    """So many changes a second, claims and ends, by workers that hold 20 jobs at a time."""
    ask, pause_s, turn, worker = Asker(port), 40 / a_second, time.perf_counter(), 0
    while not ended.is_set():
        worker = (worker + 1) % 16
        held = ask("/get/0?n=20", worker=f"node{worker}")
        ask("/update_jobs", [{"jobid": job["jobid"], "jobstage": 2, "claim": job["claim"]} for job in held])
        turn += pause_s
        time.sleep(max(0.0, turn - time.perf_counter()))


def drain(port: int, counter: Any, ended: Any) -> None:
    """One job after another, one request each; counts them."""
    ask = Asker(port)
    job = ask("/get/0", worker="drain")
    while not ended.is_set():
        path = f"/update_job/{job['jobid']}/2?next=0"
        job = ask(path, {}, claim=job["claim"], worker="drain")["next"]
        with counter.get_lock():
            counter.value += 1


@contextmanager
def program(module: str, *given: str) -> Iterator[int]:
    """The port of a server of the benchmark's own, a program that prints it, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *given], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
