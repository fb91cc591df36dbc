"""Clients that load a server, record its acknowledgements and survive its crashes."""

import contextlib
import http.client
import itertools
import json
import random
import threading
import time
import uuid
from typing import Any

from tests.support.change_ledger import Ledger, StateChange

Held = list[tuple[int, str]]  # jobs that a caller holds, each with its claim


class LoadClients:
    """Client threads; each sends one request after the other while `running` is set."""

    def __init__(self, server: Any, jobix: int, first_jobid: int, seed: int, n: int) -> None:
        self.ledger = Ledger()
        self.errors: list[BaseException] = []
        self.running = threading.Event()
        self.retried = 0
        self._stopped = False
        self._server = server
        self._jobix = jobix
        self._jobids = itertools.count(first_jobid, 10_000)
        self._threads = [threading.Thread(target=self._run, args=(random.Random(seed + k),)) for k in range(n)]
        for thread in self._threads:
            thread.start()

    def acknowledged(self, more: int) -> None:
        """Waits until this many more requests are acknowledged."""
        target, give_up_at = self.ledger.number(True) + more, time.monotonic() + 30
        while self.ledger.number(True) < target and not self.errors:
            assert time.monotonic() < give_up_at, "the clients made no progress"
            time.sleep(0.002)

    def close(self) -> None:
        """Stops all threads."""
        self._stopped = True
        self.running.set()
        for thread in self._threads:
            thread.join(60)
        if self.errors:
            raise self.errors[0]

    def _run(self, rng: random.Random) -> None:
        try:
            held: Held = []
            while self.running.wait(60) and not self._stopped:
                connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
                with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                    while not self._stopped:
                        held = self._next_request(connection, rng, held)
                held = []  # an unanswered report of a job must not be followed by a second one
                self._wait_for_restart()
        except BaseException as error:
            self.errors.append(error)

    def _wait_for_restart(self) -> None:
        while self._server.process.poll() is None and self.running.is_set() and not self._stopped:
            time.sleep(0.005)

    def _next_request(self, connection: Any, rng: random.Random, held: Held) -> Held:
        """Sends a request that fits the held jobs. Returns the jobs held afterwards."""
        kind = rng.random()
        if kind < 0.1:
            self._submit(connection, 1500 if kind < 0.015 else rng.randint(2, 40))
            return held
        if not held:
            token = uuid.uuid4().hex
            return self._send(connection, rng, f"/get/0?n={rng.randint(1, 4)}", None, [], token)
        if len(held) == 1 or kind < 0.5:
            jobid = held[0][0]
            report = {"filename": f"{jobid}.npy", "result": jobid}
            return (
                self._send(connection, rng, f"/update_job/{jobid}/2?next=0", report, held[:1], uuid.uuid4().hex)
                + held[1:]
            )
        reports = [{"jobid": jobid, "jobstage": 2, "claim": claim} for jobid, claim in held]
        return self._send(connection, rng, f"/update_jobs?next=0&n={len(held)}", reports, held, uuid.uuid4().hex)

    def _submit(self, connection: Any, n: int) -> None:
        first = next(self._jobids)
        request = self.ledger.note(StateChange(submitted=(first, n)))
        content = self._request(
            connection, "/set", {str(jobid): {"jobcmd": jobid} for jobid in range(first, first + n)}, {}
        )
        assert content["new"] == n, content
        self.ledger.acknowledged(request)

    def _send(self, connection: Any, rng: random.Random, path: str, body: Any, ending: Held, token: str) -> Held:
        """Reports and claims in one request. Without a response it is repeated after the restart, or never."""
        request = self.ledger.note(StateChange(ended=tuple(ending), token=token))
        headers = {"claim": token} if path.startswith("/get") else {"next-claim": token}
        if path.startswith("/update_job/"):
            headers["claim"] = ending[0][1]
        try:
            content = self._request(connection, path, body, headers)
        except (OSError, http.client.HTTPException):
            if rng.random() < 0.5:
                return []
            self._wait_for_restart()
            self.running.wait(60)
            self.retried += 1
            connection.close()
            connection.port = self._server.port
            content = self._request(connection, path, body, headers)
        if path.startswith("/update_jobs"):
            assert all(outcome["status"] == 200 for outcome in content["jobs"]), content
        jobs = content if isinstance(content, list) else content["next"]
        jobs = jobs if isinstance(jobs, list) else [jobs]
        self.ledger.acknowledged(request, tuple(job["jobid"] for job in jobs))
        return [(job["jobid"], job["claim"]) for job in jobs]

    def _request(self, connection: Any, path: str, body: Any, headers: dict[str, str]) -> Any:
        named = {"jobix": str(self._jobix)} | headers
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), named)
        response = connection.getresponse()
        content = json.loads(response.read())
        assert response.status == 200, (path, content)
        return content
