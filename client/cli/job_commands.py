"""Commands about single jobs: get, update, and work, which runs a command for each job."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from ..api.job_client import JobClient
from ..api.responses import Progress
from ..api.types import UNSET
from ..errors import AllFailed, ClaimLost, ClientError, NoSuchJob
from ..worker.command import DATA_ERROR
from ..worker.worker import LEASE_S, Worker
from .context import connect, require_list
from .output import JSON, NEGATIVE, NO_LIST, OK, Hints, print_json, say, warn
from .values import duration, exit_code, json_value, lease, seconds, whole

Add = Callable[..., argparse.ArgumentParser]

SIGNAL_EXIT_CODE = 128
HINT_TIMEOUT_S = 5.0  # a hint is not worth a longer wait


def add_get(add: Add) -> None:
    """Adds `get`."""
    command = add("get", "claim a job and print it", get, json=JSON)
    command.add_argument("stage", type=whole, help="the even stage to take the job from")
    command.add_argument(
        "working_stage", type=whole, nargs="?", help="the odd stage to move it to (default: stage + 1)"
    )
    command.add_argument("--wait-s", type=seconds, default=0.0, metavar="S", help="wait for a job, up to 60 s")


def add_update(add: Add) -> None:
    """Adds `update`."""
    command = add("update", "end a claim: move a job to an even stage", update, json=JSON)
    command.add_argument("jobid", type=whole, help="the id of the job")
    command.add_argument("next_stage", type=whole, help="the even stage that it moves to")
    command.add_argument("--claim", metavar="TOKEN", help="the claim that `get` printed")
    command.add_argument("--filename", help="path of the output")
    command.add_argument(
        "--result", type=json_value, metavar="JSON", default=argparse.SUPPRESS, help="stored with the job"
    )
    command.add_argument(
        "--jobcmd", type=json_value, metavar="JSON", default=argparse.SUPPRESS, help="for the next stage"
    )
    command.add_argument("--error", metavar="TEXT", help="why the attempt failed; with a lower stage")


def add_work(add: Add) -> None:
    """Adds `work`."""
    command = add(
        "work",
        "run a command for each job: jm work 0 -- fit '{jobcmd[file]}' --out '{jobid}.npy'",
        work,
        usage="%(prog)s [options] stage [working_stage] -- COMMAND …",
        json="print the counts at the end as one line of JSON",
    )
    command.add_argument("stage", type=whole, help="the even stage to take jobs from")
    command.add_argument("working_stage", type=whole, nargs="?", help="the odd stage to work in (default: stage + 1)")
    command.add_argument("--until-done", action="store_true", help="wait while jobs may still come (the default)")
    command.add_argument("--wait-s", type=seconds, metavar="S", help="instead: wait up to 60 s for a job, then end")
    command.add_argument("--forever", action="store_true", help="instead: wait until a signal arrives")
    command.add_argument("--filename", metavar="TEMPLATE", help="path of the output, with the same fields")
    command.add_argument(
        "--output",
        metavar="TEMPLATE",
        action="append",
        default=[],
        help="path of a file that the command writes at {output}; published if the server accepts the result",
    )
    command.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="check the files that the stage before declared (default)",
    )
    command.add_argument(
        "--lease-s", type=lease, default=LEASE_S, metavar="S",
        help=f"a job is given to others if this worker does not renew its claim for S seconds (default: {LEASE_S:g})",
    )  # fmt: skip
    command.add_argument(
        "--stop-before", type=duration, metavar="TIME",
        help="in a Slurm job: claim no job in its last TIME (90s, 5m, 1h), and give the running job back at its end",
    )  # fmt: skip
    command.add_argument(
        "--no-retry-exit-code", type=exit_code, default=DATA_ERROR, metavar="N",
        help=f"exit code of the command if another attempt would fail too (default: {DATA_ERROR})",
    )  # fmt: skip


def get(arguments: argparse.Namespace) -> int:
    """Claims a job."""
    client = connect(arguments)
    job = client.get(arguments.stage, arguments.working_stage, wait_s=arguments.wait_s)
    if job is None:
        require_list(client)
        if arguments.json:
            print_json("nada")
        else:
            say("no job available")
        return NEGATIVE
    fields = {name: getattr(job, name) for name in ("jobid", "jobcmd", "stage", "working_stage", "claim", "attempt")}
    fields["deadline"] = None if job.deadline is None else job.deadline.isoformat()
    if arguments.json:
        print_json(fields)
        return OK
    for name, value in fields.items():
        say(f"{name}: {json.dumps(value, ensure_ascii=False) if name == 'jobcmd' else value}")
    done = Hints(arguments).command("update", job.jobid, job.done_stage, "--claim", job.claim)
    say(f"when done: {done}")
    return OK


def update(arguments: argparse.Namespace) -> int:
    """Ends a claim."""
    client = connect(arguments)
    try:
        response = client.update(
            arguments.jobid,
            arguments.next_stage,
            claim=arguments.claim,
            filename=arguments.filename,
            jobcmd=getattr(arguments, "jobcmd", UNSET),
            result=getattr(arguments, "result", UNSET),
            error=arguments.error,
        )
    except NoSuchJob:
        require_list(client)
        raise
    except ClaimLost as problem:
        if arguments.claim is not None or "is held" not in str(problem):
            raise
        message = f"job {arguments.jobid} is held by a worker. Give its claim: --claim TOKEN (printed by `jm get`)"
        raise ClaimLost(message, problem.status, problem.code) from problem
    if arguments.json:
        fields = asdict(response)
        del fields["next"]  # was not requested
        print_json(fields)
    else:
        say(response.message)
    return OK


def work(arguments: argparse.Namespace) -> int:
    """Works until no job is left, or a signal."""
    client = connect(arguments)
    worker = Worker(
        client,
        arguments.stage,
        arguments.words,
        working_stage=arguments.working_stage,
        wait_s=arguments.wait_s,
        forever=arguments.forever,
        filename=arguments.filename,
        outputs=arguments.output,
        verify=arguments.verify,
        lease_s=arguments.lease_s,
        stop_before_s=arguments.stop_before,
        no_retry_exit_code=arguments.no_retry_exit_code,
    )
    progress = _progress_for_hint(client)
    if progress is not None and not progress.name:
        warn(NO_LIST)
    try:
        tally = worker.run()
    except AllFailed:
        _say_retries(client, arguments)
        raise
    counts = {"failed": tally.failed, "given back": tally.given_back, "lost": tally.lost, "cancelled": tally.cancelled}
    words = [f"{tally.done} done"] + [f"{count} {name}" for name, count in counts.items() if count]
    say(", ".join(words), sys.stderr)
    if arguments.json:
        print_json(asdict(tally))
    if tally.signum is not None:
        return SIGNAL_EXIT_CODE + tally.signum
    _say_retries(client, arguments)
    return OK


def _say_retries(client: JobClient, arguments: argparse.Namespace) -> None:
    progress = _progress_for_hint(client)
    if progress is not None:
        Hints(arguments).say_retries(progress)


def _progress_for_hint(client: JobClient) -> Progress | None:
    with contextlib.suppress(ClientError):
        return client.with_options(timeout_s=HINT_TIMEOUT_S, retry_for_s=0).progress()
    return None
