"""A thousand workers that wait in heartbeats: the CPU and the memory of the server, the time until a cancel reaches a
worker, and the cost of the jobs of other workers meanwhile."""

import json
import resource
import select
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from bench.keepalive import CONNECTIONS, KeepAlive, job_rate
from bench.servers import SECRET, JsonClient, fill, server_process
from bench.waiting import IDLE_S, PAUSE_S, SETTLE_S, WAITING, cpu_s

JOBS, CANCELS = 100_000, 50
CPU, MEMORY_MB = "CPU while a thousand heartbeats wait", "MB of a thousand waiting heartbeats"
CANCELLED_MS, COST = "ms from a cancel to its worker", "cost of a job while a thousand heartbeats wait"


def measured() -> dict[str, float]:
    """Measures the server's share of a core, its growth in MB, the median time of a cancel in ms, and the
    processor time of the jobs of other workers, relative to the time without heartbeats."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        fill(port, JOBS, lifetimes="0/10")
        client = JsonClient(port)
        claims = [(job["jobid"], job["claim"]) for job in client(f"/get/0?n={WAITING}&lease_s=120")]
        alone_s = job_cpu_s(port, pid, client)
        memory = psutil.Process(pid).memory_info().rss
        workers = {jobid: KeepAlive(port, heartbeat(jobid, claim)) for jobid, claim in claims}
        time.sleep(SETTLE_S)
        grown_mb = (psutil.Process(pid).memory_info().rss - memory) / 1e6
        share, started = cpu_s(pid), time.perf_counter()
        time.sleep(IDLE_S)
        share = (cpu_s(pid) - share) / (time.perf_counter() - started)
        waiting_s = job_cpu_s(port, pid, client)
        times_ms = [cancelled_ms(jobid, client, workers[jobid]) for jobid, _claim in claims[:CANCELS]]
        for connection in workers.values():
            connection.socket.close()
    return {
        CPU: share, MEMORY_MB: grown_mb, CANCELLED_MS: statistics.median(times_ms), COST: waiting_s / alone_s
    }  # fmt: skip


def heartbeat(jobid: int, claim: str) -> bytes:
    """The bytes of a heartbeat that waits."""
    body = json.dumps([{"jobid": jobid, "claim": claim}])
    head = f"POST /heartbeat?wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: {SECRET}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


def job_cpu_s(port: int, pid: int, client: JsonClient) -> float:
    """CPU seconds of the server for a job of other workers, one job a request."""
    done, used_s = client("/get")["done"], cpu_s(pid)
    job_rate(port, [(job["jobid"], job["claim"]) for job in client(f"/get/0?n={CONNECTIONS}")])
    used_s = cpu_s(pid) - used_s
    return used_s / float(client("/get")["done"] - done)


def cancelled_ms(jobid: int, client: JsonClient, worker: KeepAlive) -> float:
    """Milliseconds from the sending of a cancel until the heartbeat of the worker is answered."""
    time.sleep(PAUSE_S)
    started = time.perf_counter()
    client("/cancel_jobs", {"jobs": [jobid]})
    while True:
        if not select.select([worker.socket], [], [], 10)[0]:
            raise RuntimeError(f"the cancel of job {jobid} did not reach its worker")
        if (response := worker.response()) is not None:
            if b'"cancel"' not in response:
                raise RuntimeError(response)
            return (time.perf_counter() - started) * 1000
