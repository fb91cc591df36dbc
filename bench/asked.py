"""The cost of a request: one job a request, bare Flask, founding workers, and a million jobs in one request."""

import json
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.gate import race_s
from bench.hello import ALONE, PATH, hello
from bench.keepalive import CONNECTIONS, hello_rate, job_rate
from bench.least import least
from bench.started import SECRET, Asker, fill, server, server_process
from bench.system import WORKERS

JOBS, MANY, FOUNDING_JOBS, TURNS = 100_000, 1_000_000, 500, 2
FEW = 10_000
HELLO, ONE, SHARE = "hello", "one job a request", "one job a request, share of hello"
FOUNDING_FEW, FOUNDING_MANY = "founding workers among few", "founding workers among many"
FOUNDING_HELLO, FOUNDING_ALONE = "founding workers of hello", "founding workers of the web server alone"
FOUNDING_LEAST = "founding workers of the least that keeps jobs"
SET_S, SET_MB = "one /set, seconds", "one /set, memory"


def one_a_request() -> dict[str, float]:
    """Bare Flask and this server in turns, asked by the same 16 connections."""
    rates: dict[str, list[float]] = {HELLO: [], ONE: []}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server(Path(folder)) as port, hello() as other:
        fill(port, JOBS, lifetimes="0/10")
        for _ in range(TURNS):
            rates[HELLO].append(hello_rate(other))
            held = [(job["jobid"], job["claim"]) for job in Asker(port)(f"/get/0?n={CONNECTIONS}")]
            rates[ONE].append(job_rate(port, held))
    means = {name: sum(values) / TURNS for name, values in rates.items()}
    return means | {SHARE: means[ONE] / means[HELLO]}


def founding(port: int) -> Callable[[], None]:
    """A worker of the founding document: urllib, a connection a request, two requests a job."""

    def ask(path: str) -> object:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"jobix": SECRET})
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read())

    def work() -> None:
        for _ in range(FOUNDING_JOBS):
            job = ask("/get/0")
            assert isinstance(job, dict)
            ask(f"/update_job/{job['jobid']}/2")

    return work


def greeting(port: int) -> Callable[[], None]:
    """The same workers with a server that only answers "hello": two responses count as a job."""

    def work() -> None:
        for _ in range(2 * FOUNDING_JOBS):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}") as answer:
                answer.read()

    return work


def among_few() -> dict[str, float]:
    """Founding workers on a short list, and the same asking bare Flask, the web server alone, and the least that keeps
    jobs; jobs a second."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        server(Path(folder)) as port,
        hello() as flask,
        hello(ALONE) as web_server,
        least() as keeper,
    ):
        fill(port, FEW, lifetimes="0/10")
        asked = {
            FOUNDING_HELLO: (greeting, flask),
            FOUNDING_ALONE: (greeting, web_server),
            FOUNDING_LEAST: (founding, keeper),
            FOUNDING_FEW: (founding, port),
        }
        return {name: WORKERS * FOUNDING_JOBS / race_s(make, (of,), WORKERS) for name, (make, of) in asked.items()}


class Memory:
    """The most that a process held, more than at first, while this was open."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._before = self._most = self._now()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _now(self) -> int:
        return int(self._process.memory_info().rss)

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            self._most = max(self._most, self._now())

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def grown_mb(self) -> float:
        """In MB."""
        return (self._most - self._before) / 1e6


def among_many() -> dict[str, float]:
    """A million jobs by one `/set`: its seconds, what the server's memory grew by; then founding workers on them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        Asker(port)("/init/0/10?name=bench")  # it has answered once: what that needs is not the growth
        with Memory(pid) as memory:
            took_s = fill(port, MANY, lifetimes="0/10")
        time.sleep(1)
        rate = WORKERS * FOUNDING_JOBS / race_s(founding, (port,), WORKERS)
    return {SET_S: took_s, SET_MB: memory.grown_mb, FOUNDING_MANY: rate}
