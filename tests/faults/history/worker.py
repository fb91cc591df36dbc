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

from tests.faults.history.journal import Journal
from tests.faults.history.styles import DRAINING, LIFETIME_S, STYLES, Style

PATIENCE_S = 2.5  # for a response
SENDS = 4  # attempts to send a request that gets no response
REPEATS = 0.06  # share of completed requests that are sent again, from 0 to 1
JOBS_A_WORKER = 100_000
BEATS = (0.3, 1.1)  # lifetimes between two heartbeats: some shortly before the deadline, some shortly after
TRIES_AGAIN_S = 0.1

Headers = dict[str, str | None]
NONE: Headers = {}


class Caller:
    """One kept-alive connection that records every request and response."""

    def __init__(self, url: str, jobix: str, name: str, journal: Journal) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"))
        self._jobix = jobix
        self._name = name
        self._journal = journal
        self._numbers = itertools.count(1)

    def ask(self, path: str, body: Any = None, headers: Headers = NONE, wait_s: float = 0) -> tuple[int, Any]:
        """Sends a request. Returns status and JSON; (0, None) without a response."""
        named = {name: value for name, value in headers.items() if value is not None}
        number = f"{self._name}/{next(self._numbers)}"
        self._journal.write("ask", id=number, who=self._name, path=path, body=body, headers=named)
        try:
            self._connection.timeout = PATIENCE_S + wait_s
            self._connection.request(
                "GET" if body is None else "POST", path, None if body is None else json.dumps(body),
                named | {"jobix": self._jobix, "worker": self._name},
            )  # fmt: skip
            response = self._connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._journal.write("lost", id=number, why=repr(error))
            self._connection.close()
            time.sleep(TRIES_AGAIN_S)
            return 0, None
        self._journal.write("response", id=number, status=response.status, answer=answer)
        if response.status >= 500:
            time.sleep(TRIES_AGAIN_S)
        return response.status, answer

    def insist(self, path: str, body: Any = None, headers: Headers = NONE, wait_s: float = 0) -> tuple[int, Any]:
        """Like ask(), but repeats the request while its outcome is unknown."""
        for _ in range(SENDS):
            status, answer = self.ask(path, body, headers, wait_s)
            if 0 < status < 500:
                break
        return status, answer


class Worker:
    """Claims, works, reports."""

    def __init__(self, caller: Caller, style: Style, chance: random.Random) -> None:
        self._style = style
        self._chance = chance
        self._send = caller.insist if style.tokens == "own" else caller.ask
        self._caller = caller
        self._held: list[dict[str, Any]] = []
        self._said: deque[tuple[str, Any, Headers]] = deque(maxlen=8)

    def step(self) -> None:
        """Claims a job, or works and reports; sometimes repeats an earlier request."""
        if self._said and self._chance.random() < REPEATS:
            path, body, headers = self._chance.choice(self._said)
            self._caller.ask(path, body, headers)
        if self._held:
            self._work()
            self._report()
        else:
            self._claim()

    def _claim(self) -> None:
        style, token = self._style, self._token()
        asked = [f"n={style.together}"] * (style.together > 1) + [f"wait={style.wait_s}"] * (style.wait_s > 0)
        path = f"/get/{self._stage()}" + ("?" + "&".join(asked) if asked else "")
        status, answer = self._send(path, None, {"claim": token}, style.wait_s)
        self._take(answer if status == 200 else [])
        if not self._held:
            time.sleep(0.03)

    def _work(self) -> None:
        lifetime_s = LIFETIME_S.get(self._held[0]["jobstage"] + 1, 1)  # a faulty server may return any stage
        give_up = time.monotonic() + self._chance.uniform(*self._style.holds) * lifetime_s
        while self._style.beats and (left_s := give_up - time.monotonic()) > 0:
            time.sleep(min(left_s, self._chance.uniform(*BEATS) * lifetime_s))
            self._caller.ask("/heartbeat", [{"jobid": job["jobid"], "claim": job["claim"]} for job in self._held])
        time.sleep(max(0.0, give_up - time.monotonic()))

    def _report(self) -> None:
        held, self._held = self._held, []
        follows, token = self._style.follows, self._token()
        following = f"?next={self._stage()}" if follows else ""
        headers = {"next-claim": token if follows else None}
        proves = self._style.tokens != "none"
        if self._style.together == 1:
            job = held[0]
            target, said = self._outcome(job)
            path = f"/update_job/{job['jobid']}/{target}{following}"
            headers["claim"] = job["claim"] if proves else None
        else:
            outcomes = [(job, *self._outcome(job)) for job in held]
            said = [
                {"jobid": job["jobid"], "jobstage": target, "claim": job["claim"], **more}
                for job, target, more in outcomes
            ]
            path = "/update_jobs" + (f"{following}&n={self._style.together}" if follows else "")
        status, answer = self._send(path, said, headers)
        if follows and status == 200:
            self._take(answer["next"])
        elif proves and not follows:
            self._said.append((path, said, headers))

    def _outcome(self, job: dict[str, Any]) -> tuple[int, Any]:
        """The next stage and the body of the report. The result names the claim, which reveals corruption."""
        stage = job["jobstage"]
        if self._chance.random() < self._style.gives_back:
            target = self._chance.choice([stage, stage, 0])
            return target, self._chance.choice([{}, {"error": "it did not work"}])
        made = {"claim": job["claim"], "stage": stage + 1}
        return stage + 2, {"result": made} if stage else {"result": made, "jobcmd": made}

    def _take(self, answer: Any) -> None:
        jobs = answer if isinstance(answer, list) else [answer]
        self._held = [job for job in jobs if job != "nada"]

    def _stage(self) -> int:
        return self._chance.choice([0, 2])

    def _token(self) -> str | None:
        return uuid.UUID(int=self._chance.getrandbits(128)).hex if self._style.tokens == "own" else None


class Submitter:
    """Adds jobs repeatedly. Requests without a response are sent again, and a few others too."""

    def __init__(self, caller: Caller, chance: random.Random, number: int) -> None:
        self._caller = caller
        self._chance = chance
        self._jobids = itertools.count(number * JOBS_A_WORKER)

    def step(self) -> None:
        """Adds a few jobs."""
        jobs = {
            str(jobid): {"jobcmd": {"job": jobid}, "priority": self._chance.randint(-2, 2)}
            for jobid in itertools.islice(self._jobids, self._chance.randint(1, 16))
        }
        self._caller.insist("/set", jobs)
        if self._chance.random() < REPEATS:
            self._caller.ask("/set", jobs)
        time.sleep(self._chance.uniform(0.05, 0.2))


def main(url: str, jobix: str, name: str, number: str, seed: str, style: str, file: str) -> None:
    """Works until SIGTERM. style: one of styles.py, "submitting" or "draining"; number: unique for each worker."""
    caller = Caller(url, jobix, name, Journal(Path(file)))
    chance = random.Random(seed)
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    if style == "submitting":
        one: Submitter | Worker = Submitter(caller, chance, int(number))
    else:
        one = Worker(caller, DRAINING if style == "draining" else STYLES[style], chance)
    run = os.getppid()
    while not stopped and os.getppid() == run:  # a worker does not outlive its run
        one.step()
