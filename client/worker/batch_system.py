"""When the job of a batch system ends in which this worker runs. Slurm is supported."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import NoBatchJob

GIVE_BACK_S = 30.0  # before the end: time for a command to end after SIGTERM, and for the report
SCONTROL_TIMEOUT_S = 20.0
_END_TIME = re.compile(r"\bEndTime=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\b")
_LOOKED_FOR = "the environment variable SLURM_JOB_END_TIME, then `scontrol show job $SLURM_JOB_ID`"


@dataclass(frozen=True)
class StopTimes:
    """When a worker claims no further job, when it gives the running job back, and the end of the batch job.
    Times as of time.time()."""

    no_job_after: float
    give_back_at: float
    end: float

    @property
    def shown_end(self) -> str:
        """The end, in local time."""
        return time.strftime("%H:%M:%S", time.localtime(self.end))


def stop_times(stop_before_s: float, environment: Mapping[str, str] = os.environ) -> StopTimes:
    """The times of a worker that stops so many seconds before its batch job ends. Raises NoBatchJob."""
    end = find_end(environment)
    return StopTimes(end - stop_before_s, end - min(GIVE_BACK_S, stop_before_s / 2), end)


def find_end(environment: Mapping[str, str] = os.environ) -> float:
    """The end of this Slurm job, as of time.time(). Raises NoBatchJob if it is unknown."""
    text = environment.get("SLURM_JOB_END_TIME", "")
    if text:
        if not (text.isascii() and text.isdecimal()):
            raise NoBatchJob(f"SLURM_JOB_END_TIME is {text!r}, not a number of seconds since 1970")
        return float(text)
    job_id = environment.get("SLURM_JOB_ID", "")
    if not job_id:
        raise NoBatchJob(
            "--stop-before needs the end of a Slurm job, but this is not one: SLURM_JOB_END_TIME and SLURM_JOB_ID are "
            "not set. Run the worker inside sbatch or srun, or omit the option"
        )
    if not (job_id.isascii() and job_id.isdecimal()):
        raise NoBatchJob(f"SLURM_JOB_ID is {job_id!r}, not a number")
    match = _END_TIME.search(_scontrol(job_id))
    if match is None:
        raise NoBatchJob(
            f"the end of Slurm job {job_id} is unknown (looked for {_LOOKED_FOR}): give it a limit with sbatch --time"
        )
    return time.mktime(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))  # scontrol prints local time


def _scontrol(job_id: str) -> str:
    try:
        return subprocess.run(
            ["scontrol", "show", "job", job_id],
            capture_output=True, text=True, check=True, timeout=SCONTROL_TIMEOUT_S,
        ).stdout  # fmt: skip
    except subprocess.CalledProcessError as problem:
        reason = " ".join(problem.stderr.split())
    except (OSError, subprocess.TimeoutExpired) as problem:
        reason = str(problem)
    raise NoBatchJob(f"the end of Slurm job {job_id} cannot be read (looked for {_LOOKED_FOR}): {reason}")
