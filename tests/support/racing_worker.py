"""A worker process that uses only HTTP: python -m tests.support.racing_worker STYLE URL JOBIX SEED.

It prints "ready", waits for a line, works until no job is left, and prints the acknowledgements as JSON.
"""

import http.client
import json
import random
import sys
import time
import uuid
from typing import Any

BATCH_SIZE = 10


class Worker:
    """One kept-alive connection and its acknowledgements."""

    def __init__(self, url: str, jobix: str, seed: str) -> None:
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=100)
        self.jobix = jobix
        self.random = random.Random(seed)
        self.claimed: list[int] = []
        self.done: list[int] = []
        self.lost: list[int] = []
        self.requests = 0
        self.longest_s = 0.0

    def send(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Sends a request. Returns status and JSON."""
        all_headers = {"jobix": self.jobix} | {name.replace("_", "-"): value for name, value in headers.items()}
        start_s = time.perf_counter()
        self.connection.request(
            "GET" if body is None else "POST", path, None if body is None else json.dumps(body), all_headers
        )
        response = self.connection.getresponse()
        content = json.loads(response.read())
        self.longest_s = max(self.longest_s, time.perf_counter() - start_s)
        self.requests += 1
        return response.status, content

    def request(self, path: str, body: object = None, **headers: str) -> Any:
        """Sends a request that must succeed. Returns its JSON."""
        status, content = self.send(path, body, **headers)
        assert status == 200, content
        return content

    def take(self, job: Any) -> Any:
        """Records a job as claimed; None for "nada"."""
        if job == "nada":
            return None
        self.claimed.append(job["jobid"])
        return job


def founding(worker: Worker) -> None:
    """The worker of the founding document: no tokens, two requests for each job."""
    while job := worker.take(worker.request("/get/0")):
        worker.request(f"/update_job/{job['jobid']}/2")
        worker.done.append(job["jobid"])


def proving(worker: Worker) -> None:
    """Reports with the server's token and gets the next job in the response."""
    job = worker.take(worker.request("/get/0"))
    while job:
        content = worker.request(f"/update_job/{job['jobid']}/2?next=0", claim=job["claim"])
        worker.done.append(job["jobid"])
        job = worker.take(content["next"])


def choosing(worker: Worker) -> None:
    """Uses client tokens; sometimes sends a request twice, as after a lost response."""
    token = uuid.uuid4().hex
    job = worker.take(worker.request("/get/0", claim=token))
    while job:
        next_token = uuid.uuid4().hex
        path = f"/update_job/{job['jobid']}/2?next=0"
        content = worker.request(path, claim=token, next_claim=next_token)
        if worker.random.random() < 0.05:
            assert worker.request(path, claim=token, next_claim=next_token) == content
        worker.done.append(job["jobid"])
        job, token = worker.take(content["next"]), next_token


def batches(worker: Worker) -> None:
    """Claims many jobs with each request."""
    jobs = worker.request(f"/get/0?n={BATCH_SIZE}")
    while jobs:
        for job in jobs:
            worker.take(job)
        reports = [{"jobid": job["jobid"], "jobstage": 2, "claim": job["claim"]} for job in jobs]
        content = worker.request(f"/update_jobs?next=0&n={BATCH_SIZE}", reports)
        assert [outcome["status"] for outcome in content["jobs"]] == [200] * len(jobs), content
        worker.done += [job["jobid"] for job in jobs]
        jobs = content["next"]


def waiting(worker: Worker) -> None:
    """Waits for each job; the jobcmd "stop" is the last."""
    while True:
        job = worker.take(worker.request("/get/0?wait=30"))
        if job is None:
            continue
        worker.request(f"/update_job/{job['jobid']}/2", claim=job["claim"])
        worker.done.append(job["jobid"])
        if job["jobcmd"] == "stop":
            return


def slow(worker: Worker) -> None:
    """Holds some jobs longer than their lifetime, and reports them late."""
    while job := worker.take(worker.request("/get/0?wait=2")):
        if worker.random.random() < 0.2:
            time.sleep(worker.random.uniform(0, 0.6))
        status, content = worker.send(f"/update_job/{job['jobid']}/2", claim=job["claim"])
        if status == 200:
            worker.done.append(job["jobid"])
        else:
            assert (status, content["error"]) == (409, "claim_lost"), content
            worker.lost.append(job["jobid"])


STYLES = {style.__name__: style for style in (founding, proving, choosing, batches, waiting, slow)}

if __name__ == "__main__":
    style, *arguments = sys.argv[1:]
    worker = Worker(*arguments)
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.time()
    STYLES[style](worker)
    result = {name: getattr(worker, name) for name in ("claimed", "done", "lost", "requests", "longest_s")}
    print(json.dumps(result | {"style": style, "started": started, "ended": time.time()}))
