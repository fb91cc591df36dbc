"""A worker process that uses only HTTP: python -m tests.support.racing STYLE URL JOBIX SEED.

It prints "ready", waits for a line, works until no job is left, and prints the acknowledgements as JSON.
"""

import http.client
import json
import random
import sys
import time
import uuid
from typing import Any

TOGETHER = 10


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

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Sends a request. Returns status and JSON."""
        named = {"jobix": self.jobix} | {name.replace("_", "-"): value for name, value in headers.items()}
        begun = time.perf_counter()
        self.connection.request(
            "GET" if body is None else "POST", path, None if body is None else json.dumps(body), named
        )
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        self.longest_s = max(self.longest_s, time.perf_counter() - begun)
        self.requests += 1
        return response.status, answer

    def asked(self, path: str, body: object = None, **headers: str) -> Any:
        """Sends a request that must succeed. Returns its JSON."""
        status, answer = self.ask(path, body, **headers)
        assert status == 200, answer
        return answer

    def took(self, job: Any) -> Any:
        """Records a job as claimed; None for "nada"."""
        if job == "nada":
            return None
        self.claimed.append(job["jobid"])
        return job


def founding(worker: Worker) -> None:
    """The worker of the founding document: no tokens, two requests for each job."""
    while job := worker.took(worker.asked("/get/0")):
        worker.asked(f"/update_job/{job['jobid']}/2")
        worker.done.append(job["jobid"])


def proving(worker: Worker) -> None:
    """Reports with the server's token and gets the next job in the response."""
    job = worker.took(worker.asked("/get/0"))
    while job:
        answer = worker.asked(f"/update_job/{job['jobid']}/2?next=0", claim=job["claim"])
        worker.done.append(job["jobid"])
        job = worker.took(answer["next"])


def choosing(worker: Worker) -> None:
    """Uses client tokens; sometimes sends a request twice, as after a lost response."""
    token = uuid.uuid4().hex
    job = worker.took(worker.asked("/get/0", claim=token))
    while job:
        following = uuid.uuid4().hex
        way = f"/update_job/{job['jobid']}/2?next=0"
        answer = worker.asked(way, claim=token, next_claim=following)
        if worker.random.random() < 0.05:
            assert worker.asked(way, claim=token, next_claim=following) == answer
        worker.done.append(job["jobid"])
        job, token = worker.took(answer["next"]), following


def batches(worker: Worker) -> None:
    """Claims many jobs with each request."""
    jobs = worker.asked(f"/get/0?n={TOGETHER}")
    while jobs:
        for job in jobs:
            worker.took(job)
        reports = [{"jobid": job["jobid"], "jobstage": 2, "claim": job["claim"]} for job in jobs]
        answer = worker.asked(f"/update_jobs?next=0&n={TOGETHER}", reports)
        assert [outcome["status"] for outcome in answer["jobs"]] == [200] * len(jobs), answer
        worker.done += [job["jobid"] for job in jobs]
        jobs = answer["next"]


def waiting(worker: Worker) -> None:
    """Waits for each job; the jobcmd "stop" is the last."""
    while True:
        job = worker.took(worker.asked("/get/0?wait=30"))
        if job is None:
            continue
        worker.asked(f"/update_job/{job['jobid']}/2", claim=job["claim"])
        worker.done.append(job["jobid"])
        if job["jobcmd"] == "stop":
            return


def slow(worker: Worker) -> None:
    """Holds some jobs longer than their lifetime, and reports them late."""
    while job := worker.took(worker.asked("/get/0?wait=2")):
        if worker.random.random() < 0.2:
            time.sleep(worker.random.uniform(0, 0.6))
        status, answer = worker.ask(f"/update_job/{job['jobid']}/2", claim=job["claim"])
        if status == 200:
            worker.done.append(job["jobid"])
        else:
            assert (status, answer["error"]) == (409, "claim_lost"), answer
            worker.lost.append(job["jobid"])


STYLES = {style.__name__: style for style in (founding, proving, choosing, batches, waiting, slow)}

if __name__ == "__main__":
    chosen, *where = sys.argv[1:]
    one = Worker(*where)
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.time()
    STYLES[chosen](one)
    said = {name: getattr(one, name) for name in ("claimed", "done", "lost", "requests", "longest_s")}
    print(json.dumps(said | {"style": chosen, "started": started, "ended": time.time()}))
