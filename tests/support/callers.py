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

from tests.support.ledger import Asked, Ledger

Held = list[tuple[int, str]]  # jobs that a caller holds, each with its claim


class Callers:
    """Client threads; each sends one request after the other while `running` is set."""

    def __init__(self, server: Any, jobix: int, first_jobid: int, seed: int, n: int) -> None:
        self.ledger = Ledger()
        self.trouble: list[BaseException] = []
        self.running = threading.Event()
        self.retried = 0
        self._over = False
        self._server = server
        self._jobix = jobix
        self._jobids = itertools.count(first_jobid, 10_000)
        self._threads = [threading.Thread(target=self._call, args=(random.Random(seed + k),)) for k in range(n)]
        for thread in self._threads:
            thread.start()

    def acknowledged(self, more: int) -> None:
        """Waits until this many more requests are acknowledged."""
        enough, give_up = self.ledger.number(True) + more, time.monotonic() + 30
        while self.ledger.number(True) < enough and not self.trouble:
            assert time.monotonic() < give_up, "the callers came to a halt"
            time.sleep(0.002)

    def close(self) -> None:
        """Stops all threads."""
        self._over = True
        self.running.set()
        for thread in self._threads:
            thread.join(60)
        if self.trouble:
            raise self.trouble[0]

    def _call(self, chance: random.Random) -> None:
        try:
            held: Held = []
            while self.running.wait(60) and not self._over:
                connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
                with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                    while not self._over:
                        held = self._one(connection, chance, held)
                held = []  # an unanswered report of a job must not be followed by a second one
                self._wait_for_restart()
        except BaseException as error:
            self.trouble.append(error)

    def _wait_for_restart(self) -> None:
        while self._server.process.poll() is None and self.running.is_set() and not self._over:
            time.sleep(0.005)

    def _one(self, connection: Any, chance: random.Random, held: Held) -> Held:
        """Sends a request that fits the held jobs. Returns the jobs held afterwards."""
        kind = chance.random()
        if kind < 0.1:
            self._submit(connection, 1500 if kind < 0.015 else chance.randint(2, 40))
            return held
        if not held:
            token = uuid.uuid4().hex
            return self._send(connection, chance, f"/get/0?n={chance.randint(1, 4)}", None, [], token)
        if len(held) == 1 or kind < 0.5:
            jobid = held[0][0]
            said = {"filename": f"{jobid}.npy", "result": jobid}
            return (
                self._send(connection, chance, f"/update_job/{jobid}/2?next=0", said, held[:1], uuid.uuid4().hex)
                + held[1:]
            )
        reports = [{"jobid": jobid, "jobstage": 2, "claim": claim} for jobid, claim in held]
        return self._send(connection, chance, f"/update_jobs?next=0&n={len(held)}", reports, held, uuid.uuid4().hex)

    def _submit(self, connection: Any, n: int) -> None:
        first = next(self._jobids)
        asked = self.ledger.note(Asked(submitted=(first, n)))
        answer = self._ask(connection, "/set", {str(jobid): {"jobcmd": jobid} for jobid in range(first, first + n)}, {})
        assert answer["new"] == n, answer
        self.ledger.acknowledged(asked)

    def _send(self, connection: Any, chance: random.Random, path: str, body: Any, ending: Held, token: str) -> Held:
        """Reports and claims in one request. Without a response it is repeated after the restart, or never."""
        asked = self.ledger.note(Asked(ended=tuple(ending), token=token))
        headers = {"claim": token} if path.startswith("/get") else {"next-claim": token}
        if path.startswith("/update_job/"):
            headers["claim"] = ending[0][1]
        try:
            answer = self._ask(connection, path, body, headers)
        except (OSError, http.client.HTTPException):
            if chance.random() < 0.5:
                return []
            self._wait_for_restart()
            self.running.wait(60)
            self.retried += 1
            connection.close()
            connection.port = self._server.port
            answer = self._ask(connection, path, body, headers)
        if path.startswith("/update_jobs"):
            assert all(one["status"] == 200 for one in answer["jobs"]), answer
        jobs = answer if isinstance(answer, list) else answer["next"]
        jobs = jobs if isinstance(jobs, list) else [jobs]
        self.ledger.acknowledged(asked, tuple(job["jobid"] for job in jobs))
        return [(job["jobid"], job["claim"]) for job in jobs]

    def _ask(self, connection: Any, path: str, body: Any, headers: dict[str, str]) -> Any:
        named = {"jobix": str(self._jobix)} | headers
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), named)
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, (path, answer)
        return answer
