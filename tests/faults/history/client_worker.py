"""A worker process that runs the client's own Worker, with declared output files and an outbox.

Each request and response is written to the journal, as in worker.py. An output has two lines, written before and after
the work; each names the claim of its attempt. So files of other attempts and incomplete files are recognized.
"""

import itertools
import json
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from client import Done, Job, JobClient, Undelivered, Worker
from client.errors import ServerFailed, ServerUnreachable
from client.http.response import UNREADABLE, Response
from client.http.transport import Transport
from client.worker.attempt import Work
from client.worker.left_reports import deliver_left
from client.worker.stopping import Stopping
from tests.faults.history.client_styles import CLIENT_STYLES, DELIVERING, OUTBOX, OUTPUTS, ClientStyle
from tests.faults.history.journal import Journal

TIMEOUT_S = 2.5  # for a response
RETRY_FOR_S = 60
WAIT_S = 1.0  # for a job; then it starts again, and delivers what others left in the outbox
PAUSE_S = 0.1  # after an error that ends the client's worker
DRAINING = ClientStyle(1, (0, 0))
# Of a shell. A brace of it is doubled, since fields of the job have single ones.
COMMAND = """claim=${{1%/*}}; claim=${{claim##*/}}; echo "$claim" >"$1"; sleep "$2"; echo "$claim" >>"$1" """


def main(url: str, jobix: str, name: str, number: str, seed: str, style: str, file: str) -> None:
    """Works until SIGTERM. style: one of client_styles.py; number: unique for each worker."""
    journal = Path(file)
    log = os.open(journal.with_name("clients.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 2)
    logging.basicConfig(format=f"{name}: %(message)s")
    os.environ["JM_OUTBOX"] = str(journal.with_name(OUTBOX))
    Transport._send = _recorded(Transport._send, Journal(journal), name)
    client = JobClient(url, int(jobix), worker=name, timeout_s=TIMEOUT_S, retry_for_s=RETRY_FOR_S)
    if style == DELIVERING:
        deliver_left(client, Stopping())
        return
    stage, rng = 2 * (int(number) % 2), random.Random(seed)
    outputs = journal.with_name(OUTPUTS)
    outputs.mkdir(exist_ok=True)
    while not _run(client, stage, CLIENT_STYLES.get(style, DRAINING), f"{outputs}/{{jobid}}-{stage + 1}", rng):
        time.sleep(PAUSE_S)


def _run(client: JobClient, stage: int, style: ClientStyle, output: str, rng: random.Random) -> bool:
    """Works until no job is left, a signal or an error. Returns whether it was a signal."""
    work: Work = _function(style, rng)
    if style.runs_commands:
        work = ["sh", "-c", COMMAND, "sh", "{output}", f"{rng.uniform(*style.work_s):.3f}"]
    worker = Worker(client, stage, work, wait_s=WAIT_S, outputs=[output], lease_s=style.lease_s)
    try:
        worker.run()
    except (Undelivered, ServerFailed, ServerUnreachable) as problem:
        logging.warning("%s", problem)
    return worker._stopping.soon


def _function(style: ClientStyle, rng: random.Random) -> Callable[[Job], Done]:
    def work(job: Job) -> Done:
        """Writes the output. The result names the claim, which reveals corruption."""
        with open(job.output, "w") as output:
            attempt = os.path.basename(job.output_dir)
            print(attempt, file=output, flush=True)
            time.sleep(rng.uniform(*style.work_s))
            print(attempt, file=output)
        result = {"claim": job.claim, "stage": job.working_stage}
        return Done(result=result) if job.stage else Done(result=result, jobcmd=result)

    return work


def _recorded(send: Callable[..., Response], journal: Journal, name: str) -> Callable[..., Response]:
    """The method that sends one request, with entries in the journal."""
    numbers = itertools.count(1)

    def record(
        transport: Transport,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, Any] | None,
        body: bytes | None,
        wait_s: float,
    ) -> Response:
        number = f"{name}/{next(numbers)}"
        sent = None if body is None else json.loads(body)
        full_path = f"{path}?{urlencode(params)}" if params else path
        journal.write("request", id=number, worker=name, path=full_path, body=sent, headers=dict(headers or {}))
        try:
            response = send(transport, method, path, headers, params, body, wait_s)
        except BaseException as problem:
            journal.write("lost", id=number, error=repr(problem))
            raise
        if response._value is UNREADABLE:
            journal.write("lost", id=number, error=f"status {response.status} without JSON")
        else:
            journal.write("response", id=number, status=response.status, body=response._value)
        return response

    return record
