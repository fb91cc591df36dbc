"""A thousand workers that wait in long-polls: what they cost, and how soon one of them has a job."""

import resource
import select
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from bench.keepalive import KeepAlive, request
from bench.started import SECRET, Asker, server_process

WAITING, JOBS, SETTLE_S, IDLE_S, PAUSE_S = 1000, 50, 1.0, 5.0, 0.02
ASKED = request("/get/0?wait=60")
CPU, WOKEN_MS = "CPU while a thousand wait", "ms from /set to a worker"


def measured() -> dict[str, float]:
    """The server's share of a core, and the median of milliseconds."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        Asker(port)("/init/0/10?name=bench")
        poll = select.epoll()
        workers = {}
        for _ in range(WAITING):
            worker = KeepAlive(port, ASKED)
            workers[worker.socket.fileno()] = worker
            poll.register(worker.socket.fileno(), select.EPOLLIN)
        time.sleep(SETTLE_S)
        share = busy_s(pid)
        begun = time.perf_counter()
        time.sleep(IDLE_S)
        share = (busy_s(pid) - share) / (time.perf_counter() - begun)
        master = KeepAlive(port, request("/init"))
        while master.answer() is None:
            pass
        took_ms = [woken_ms(jobid, master, workers, poll) for jobid in range(JOBS)]
        for connection in (master, *workers.values()):
            connection.socket.close()
        poll.close()
    return {CPU: share, WOKEN_MS: statistics.median(took_ms)}


def busy_s(pid: int) -> float:
    """Seconds of a core that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def woken_ms(jobid: int, master: KeepAlive, workers: dict[int, KeepAlive], poll: select.epoll) -> float:
    """From before one job is set until one of the workers has it; then that one waits again."""
    time.sleep(PAUSE_S)
    body = f'{{"{jobid}":{{}}}}'.encode()
    head = f"POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\njobix: {SECRET}\r\nContent-Length: {len(body)}\r\n\r\n"
    begun = time.perf_counter()
    master.send(head.encode() + body)
    while True:
        for number, _event in poll.poll(10):
            answer = workers[number].answer()
            if answer is None:
                continue
            took_ms = (time.perf_counter() - begun) * 1000
            if f'"jobid":{jobid},'.encode() not in answer:
                raise RuntimeError(answer)
            while master.answer() is None:
                pass
            workers[number].send(ASKED)
            return took_ms
