"""A worker process that uses only HTTP.

It works until SIGTERM. It writes each request to the journal before sending it, and each response after receiving it.
"""

import http.client
import itertools
import json
import os
import random
import signal
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Any

from tests.faults.history.final import NODE_ENDED
from tests.faults.history.journal import Journal
from tests.faults.history.scenario import ALL_STYLES, SCENARIOS
from tests.faults.history.styles import Style

TIMEOUT_S = 2.5  # for a response
MAX_ATTEMPTS = 4  # attempts to send a request that gets no response
REPEATED_SHARE = 0.06  # share of completed requests that are sent again, from 0 to 1
CANCELLED_SHARE = 0.1  # share of submissions after which one of their jobs is cancelled
JOBS_A_WORKER = 100_000
HEARTBEAT_LIFETIMES = (
    0.3,
    1.1,
)  # between two heartbeats: some are shortly before the deadline, some shortly after
RETRY_PAUSE_S = 0.1

Headers = dict[str, str | None]
NO_HEADERS: Headers = {}


class JournalClient:
    """One kept-alive connection that records every request and response."""

    def __init__(self, url: str, jobix: str, name: str, journal: Journal) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"))
        self._jobix = jobix
        self._name = name
        self._journal = journal
        self._numbers = itertools.count(1)

    def request(self, path: str, body: Any = None, headers: Headers = NO_HEADERS, wait_s: float = 0) -> tuple[int, Any]:
        """Sends a request. Returns status and JSON; (0, None) without a response."""
        sent_headers = {name: value for name, value in headers.items() if value is not None}
        number = f"{self._name}/{next(self._numbers)}"
        self._journal.write("request", id=number, worker=self._name, path=path, body=body, headers=sent_headers)
        try:
            self._connection.timeout = TIMEOUT_S + wait_s
            self._connection.request(
                "GET" if body is None else "POST", path, None if body is None else json.dumps(body),
                sent_headers | {"jobix": self._jobix, "worker": self._name},
            )  # fmt: skip
            response = self._connection.getresponse()
            content = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._journal.write("lost", id=number, error=repr(error))
            self._connection.close()
            time.sleep(RETRY_PAUSE_S)
            return 0, None
        self._journal.write("response", id=number, status=response.status, body=content)
        if response.status >= 500:
            time.sleep(RETRY_PAUSE_S)
        return response.status, content

    def request_until_known(
        self, path: str, body: Any = None, headers: Headers = NO_HEADERS, wait_s: float = 0
    ) -> tuple[int, Any]:
        """Like request(), but repeats the request while its outcome is unknown."""
        for _ in range(MAX_ATTEMPTS):
            status, content = self.request(path, body, headers, wait_s)
            if 0 < status < 500:
                break
        return status, content


class Worker:
    """Claims, works, reports."""

    def __init__(self, client: JournalClient, style: Style, rng: random.Random) -> None:
        self._style = style
        self._rng = rng
        self._send = client.request_until_known if style.tokens == "own" else client.request
        self._client = client
        self._held: list[dict[str, Any]] = []
        self._sent: deque[tuple[str, Any, Headers]] = deque(maxlen=8)

    def step(self) -> None:
        """Claims a job, or works and reports; sometimes repeats an earlier request."""
        if self._sent and self._rng.random() < REPEATED_SHARE:
            path, body, headers = self._rng.choice(self._sent)
            self._client.request(path, body, headers)
        if self._held:
            self._work()
            self._report()
        else:
            self._claim()

    def _claim(self) -> None:
        style, token = self._style, self._token()
        path = f"/get/{self._stage()}{_query(n=style.batch_size, wait=style.wait_s, lease_s=style.lease_s)}"
        status, content = self._send(path, None, {"claim": token}, style.wait_s)
        self._hold(content if status == 200 else [])
        if not self._held:
            time.sleep(0.03)

    def _work(self) -> None:
        limit_s = self._style.limit_s(self._held[0]["jobstage"] + 1)
        give_up_at = time.monotonic() + self._rng.uniform(*self._style.work_lifetimes) * limit_s
        renews = self._style.heartbeats and self._rng.random() >= self._style.silent_share
        if self._rng.random() < self._style.cancelled_share:
            self._cancel()
        while renews and (left_s := give_up_at - time.monotonic()) > 0:
            time.sleep(min(left_s, self._rng.uniform(*HEARTBEAT_LIFETIMES) * limit_s))
            self._client.request("/heartbeat", [{"jobid": job["jobid"], "claim": job["claim"]} for job in self._held])
        time.sleep(max(0.0, give_up_at - time.monotonic()))

    def _cancel(self) -> None:
        """Requests that the held claims are cancelled. The same request after their end must have no effect."""
        body = {"jobs": [{"jobid": job["jobid"], "claim": job["claim"]} for job in self._held]}
        self._client.request("/cancel_jobs", body)
        self._sent.append(("/cancel_jobs", body, NO_HEADERS))

    def _report(self) -> None:
        held, self._held = self._held, []
        claims_next, token = self._style.claims_next, self._token()
        lease_s, n = self._style.lease_s, self._style.batch_size
        query = _query(next=self._stage(), n=n, lease_s=lease_s) if claims_next else ""
        headers = {"next-claim": token if claims_next else None}
        with_token = self._style.tokens != "none"
        if self._style.batch_size == 1:
            job = held[0]
            target, body = self._outcome(job)
            path = f"/update_job/{job['jobid']}/{target}{query}"
            headers["claim"] = job["claim"] if with_token else None
        else:
            outcomes = [(job, *self._outcome(job)) for job in held]
            body = [
                {"jobid": job["jobid"], "jobstage": target, "claim": job["claim"], **more}
                for job, target, more in outcomes
            ]
            path = f"/update_jobs{query}"
        status, content = self._send(path, body, headers)
        if claims_next and status == 200:
            self._hold(content["next"])
        elif with_token and not claims_next:
            self._sent.append((path, body, headers))

    def _outcome(self, job: dict[str, Any]) -> tuple[int, Any]:
        """The next stage and the body of the report. The result names the claim, which reveals corruption."""
        stage = job["jobstage"]
        if self._rng.random() < self._style.released_share:
            target = self._rng.choice([stage, stage, 0])
            if self._rng.random() < self._style.interrupted_share:
                return target, {"condition": "interrupted"} | self._rng.choice([{}, {"error": NODE_ENDED}])
            return target, self._rng.choice([{}, {"error": "it did not work"}])
        result: dict[str, Any] = {"claim": job["claim"], "stage": stage + 1}
        if self._style.lying_share is not None:
            is_wrong = self._rng.random() < self._style.lying_share
            result = {"wrong": self._rng.random()} if is_wrong else {"job": job["jobid"], "stage": stage + 1}
        passed = self._rng.choice(self._style.verdicts)
        verdict = {} if passed is None else {"passed": passed}
        return stage + 2, verdict | ({"result": result} if stage else {"result": result, "jobcmd": result})

    def _hold(self, content: Any) -> None:
        jobs = content if isinstance(content, list) else [content]
        self._held = [job for job in jobs if job != "nada"]

    def _stage(self) -> int:
        return self._rng.choice([0, 2])

    def _token(self) -> str | None:
        return uuid.UUID(int=self._rng.getrandbits(128)).hex if self._style.tokens == "own" else None


def _query(**values: float | str) -> str:
    """The query of a claim, without the values that the server assumes."""
    defaults = {"n": 1, "wait": 0, "lease_s": 0}
    given = [f"{name}={value}" for name, value in values.items() if value != defaults.get(name)]
    return "?" + "&".join(given) if given else ""


class Submitter:
    """Adds jobs repeatedly. Requests without a response are sent again, and a few others too."""

    def __init__(self, client: JournalClient, rng: random.Random, number: int) -> None:
        self._client = client
        self._rng = rng
        self._jobids = itertools.count(number * JOBS_A_WORKER)

    def step(self) -> None:
        """Adds a few jobs."""
        jobs = {
            str(jobid): {"jobcmd": {"job": jobid}, "priority": self._rng.randint(-2, 2)}
            for jobid in itertools.islice(self._jobids, self._rng.randint(1, 16))
        }
        self._client.request_until_known("/set", jobs)
        if self._rng.random() < REPEATED_SHARE:
            self._client.request("/set", jobs)
        if self._rng.random() < CANCELLED_SHARE:
            self._client.request("/cancel_jobs", {"jobs": [int(self._rng.choice(list(jobs)))]})
        time.sleep(self._rng.uniform(0.05, 0.2))


def main(url: str, jobix: str, name: str, number: str, seed: str, style: str, file: str) -> None:
    """Works until SIGTERM. style: one of styles.py, "submitting", or "draining" with the name of a scenario; number:
    unique for each worker."""
    client = JournalClient(url, jobix, name, Journal(Path(file)))
    rng = random.Random(seed)
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    if style == "submitting":
        worker: Submitter | Worker = Submitter(client, rng, int(number))
    else:
        kind, _, scenario = style.partition(" in ")
        worker = Worker(client, SCENARIOS[scenario].draining if kind == "draining" else ALL_STYLES[style], rng)
    run = os.getppid()
    while not stopped and os.getppid() == run:  # a worker does not outlive its run
        worker.step()
