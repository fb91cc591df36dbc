"""Rates of single requests: bare Flask, one job a request, founding workers; and one request with a million jobs."""

import json
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.hello import PATH, hello
from bench.keepalive import CONNECTIONS, hello_rate, job_rate
from bench.race import race_s
from bench.servers import SECRET, JsonClient, fill, server, server_process
from bench.system import WORKERS

JOBS, MANY_JOBS, FOUNDING_JOBS, TURNS = 100_000, 1_000_000, 500, 2
ASYNC_MODES = ("eventlet", "gevent")
FOUNDING_MANY = "founding workers among many jobs"
SET_S, SET_MB = "one /set, seconds", "one /set, memory"


@dataclass(frozen=True)
class Rates:
    """The measurement of single requests in one async mode. The properties are the names of its figures."""

    async_mode: str

    @property
    def name(self) -> str:
        """The name of the measurement."""
        return f"hello, one job a request, founding workers: {self.async_mode}"

    @property
    def hello(self) -> str:
        """Responses a second of bare Flask."""
        return f"hello, {self.async_mode}"

    @property
    def one_job(self) -> str:
        """Jobs a second, one job a request."""
        return f"one job a request, {self.async_mode}"

    @property
    def founding(self) -> str:
        """Jobs a second of founding workers."""
        return f"founding workers, {self.async_mode}"

    @property
    def founding_hello(self) -> str:
        """Jobs a second of founding workers that request "hello" twice instead."""
        return f"founding workers of hello, {self.async_mode}"

    def __call__(self) -> dict[str, float]:
        """Measures bare Flask and job_manager in turns: both run under the same web server, for the same clients."""
        rates: dict[str, list[float]] = {
            name: [] for name in (self.hello, self.one_job, self.founding_hello, self.founding)
        }
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            server(Path(folder), ASYNC_MODE=self.async_mode) as port,
            hello(self.async_mode) as hello_port,
        ):
            fill(port, JOBS, lifetimes="0/10")
            for _ in range(TURNS):
                rates[self.hello].append(hello_rate(hello_port))
                claims = [(job["jobid"], job["claim"]) for job in JsonClient(port)(f"/get/0?n={CONNECTIONS}")]
                rates[self.one_job].append(job_rate(port, claims))
                rates[self.founding_hello].append(founding_rate(hello_worker, hello_port))
                rates[self.founding].append(founding_rate(founding_worker, port))
        return {name: statistics.mean(values) for name, values in rates.items()}


RATES = tuple(Rates(async_mode) for async_mode in ASYNC_MODES)


def founding_rate(prepare: Callable[[int], Callable[[], None]], port: int) -> float:
    """Jobs a second of WORKERS processes, each running prepare(port)."""
    return WORKERS * FOUNDING_JOBS / race_s(prepare, (port,), WORKERS)


def founding_worker(port: int) -> Callable[[], None]:
    """A founding worker: it uses urllib, with two requests a job and a new connection for each."""

    def get(path: str) -> object:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"jobix": SECRET})
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read())

    def work() -> None:
        for _ in range(FOUNDING_JOBS):
            job = get("/get/0")
            assert isinstance(job, dict)
            get(f"/update_job/{job['jobid']}/2")

    return work


def hello_worker(port: int) -> Callable[[], None]:
    """The same worker with a server that only answers "hello": two responses count as a job."""

    def work() -> None:
        for _ in range(2 * FOUNDING_JOBS):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}") as response:
                response.read()

    return work


class MemoryGrowth:
    """Watches how much more memory a process uses than at the start of the `with` block, at most."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._start = self._maximum = self._rss()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _rss(self) -> int:
        return int(self._process.memory_info().rss)

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self._maximum = max(self._maximum, self._rss())

    def __enter__(self) -> "MemoryGrowth":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def mb(self) -> float:
        """The growth in MB."""
        return (self._maximum - self._start) / 1e6


def many_jobs() -> dict[str, float]:
    """Sets a million jobs by one `/set`: its seconds, and the growth of the server's memory. Then measures founding
    workers among these jobs, in the default async mode."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        JsonClient(port)("/init/0/10?name=bench")  # the memory that a first request needs is not counted
        with MemoryGrowth(pid) as growth:
            set_s = fill(port, MANY_JOBS, lifetimes="0/10")
        time.sleep(1)
        return {SET_S: set_s, SET_MB: growth.mb, FOUNDING_MANY: founding_rate(founding_worker, port)}
