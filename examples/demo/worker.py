"""One worker process of the demo: alternates between the stages until SIGTERM.

    JOBSERVER_URL=… JOBSERVER_JOBIX=… python -m examples.demo.worker NAME INPUT_FOLDER RUN_FOLDER

It reads the files of INPUT_FOLDER, writes outputs and its own log (see history.py) into RUN_FOLDER; SIGTERM ends it.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client import Done, Job, Worker
from examples.demo.files import output_path, write_output
from examples.demo.fingerprint import DoesNotTokenize, fingerprint
from examples.demo.history import Log
from examples.demo.measure import DoesNotParse, measure
from examples.demo.recording import RecordingClient

CHECK_EVERY_S = 0.2


def main() -> int:
    """Works until SIGTERM."""
    name, input_folder, run_folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    log = Log(run_folder / f"{name}.jsonl")
    client = RecordingClient(os.environ["JOBSERVER_URL"], int(os.environ["JOBSERVER_JOBIX"]), log, worker=name)

    def stage(work: Callable[[bytes], dict[str, Any]]) -> Callable[[Job], Done]:
        return lambda job: _do(job, work, name, input_folder, run_folder, log)

    steps = {0: stage(measured), 2: stage(fingerprinted)}
    log.write("ready")
    while True:
        done = 0
        for taken_from, work in steps.items():
            tally = Worker(client, taken_from, work, wait_s=0).run()
            if tally.signum is not None:
                return 0
            done += tally.done
        if done == 0:
            time.sleep(CHECK_EVERY_S)  # no job is held here: a SIGTERM may end the worker immediately


def measured(source: bytes) -> dict[str, Any]:
    """The output of stage 0 to 2: lines and functions, or a note that says why there are no functions."""
    try:
        measurement = measure(source)
    except DoesNotParse as reason:
        return {"lines": len(source.splitlines()), "note": f"does not parse: {reason}"}
    functions = [[function.name, function.line, function.complexity] for function in measurement.functions]
    return {"lines": measurement.lines, "functions": functions}


def fingerprinted(source: bytes) -> dict[str, Any]:
    """The output of stage 2 to 4: a file's shape and fingerprints, or a note that says why there are none."""
    try:
        prints = fingerprint(source)
    except DoesNotTokenize as reason:
        return {"note": f"does not tokenize: {reason}"}
    return {"shape": prints.shape, "rows": prints.rows, "starts": prints.starts, "marks": prints.marks}


def _do(
    job: Job, work: Callable[[bytes], dict[str, Any]], name: str, input_folder: Path, run_folder: Path, log: Log
) -> Done:
    """Reads the file of a job, processes it, writes the output, and reports its path."""
    log.write("started", jobid=job.jobid, claim=job.claim)
    try:
        output = work((input_folder / job.jobcmd["file"]).read_bytes())
    except OSError as reason:  # a missing or unreadable file is a result, too; a retry would not help
        output = {"note": f"can't be read: {reason.strerror}"}
    path = output_path(run_folder, job.jobid, job.stage)
    write_output(path, {**output, "worker": name, "attempt": job.attempt})
    return Done(filename=str(path))


if __name__ == "__main__":
    sys.exit(main())
