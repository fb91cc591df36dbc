"""A thousand workers that wait in long polls: the CPU of the server, and the time until one of them gets a new job."""

import resource
import select
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from bench.keepalive import KeepAlive, request
from bench.servers import SECRET, JsonClient, server_process

WAITING, JOBS, SETTLE_S, IDLE_S, PAUSE_S = 1000, 50, 1.0, 5.0, 0.02
LONG_POLL = request("/get/0?wait=60")
CPU, WOKEN_MS = "CPU while a thousand wait", "ms from /set to a worker"


def measured() -> dict[str, float]:
    """Measures the server's share of a core, and the median time to a worker in ms."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        JsonClient(port)("/init/0/10?name=bench")
        poll = select.epoll()
        workers = {}
        for _ in range(WAITING):
            worker = KeepAlive(port, LONG_POLL)
            workers[worker.socket.fileno()] = worker
            poll.register(worker.socket.fileno(), select.EPOLLIN)
        time.sleep(SETTLE_S)
        share = cpu_s(pid)
        started = time.perf_counter()
        time.sleep(IDLE_S)
        share = (cpu_s(pid) - share) / (time.perf_counter() - started)
        master = KeepAlive(port, request("/init"))
        while master.response() is None:
            pass
        wake_times_ms = [woken_ms(jobid, master, workers, poll) for jobid in range(JOBS)]
        for connection in (master, *workers.values()):
            connection.socket.close()
        poll.close()
    return {CPU: share, WOKEN_MS: statistics.median(wake_times_ms)}


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def woken_ms(jobid: int, master: KeepAlive, workers: dict[int, KeepAlive], poll: select.epoll) -> float:
    """Milliseconds from the sending of a `/set` with one job until a worker has it. That worker then waits again."""
    time.sleep(PAUSE_S)
    body = f'{{"{jobid}":{{}}}}'.encode()
    head = f"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: {SECRET}\r\nContent-Length: {len(body)}\r\n\r\n"
    started = time.perf_counter()
    master.send(head.encode() + body)
    while True:
        for number, _event in poll.poll(10):
            response = workers[number].response()
            if response is None:
                continue
            wake_times_ms = (time.perf_counter() - started) * 1000
            if f'"jobid":{jobid},'.encode() not in response:
                raise RuntimeError(response)
            while master.response() is None:
                pass
            workers[number].send(LONG_POLL)
            return wake_times_ms
