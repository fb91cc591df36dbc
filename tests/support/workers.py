"""Starts worker processes together and collects their acknowledgements."""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tests.support.paths import ROOT


class Team:
    """Real processes of tests/support/racing.py."""

    def __init__(self, jobix: int, members: Iterable[tuple[str, str]]) -> None:
        """members: (style, URL of the server) of each worker."""
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.racing", style, url, str(jobix), str(number)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for number, (style, url) in enumerate(members)
        ]  # fmt: skip

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def start(self) -> None:
        """Starts the work of all at the same moment, when every process is ready."""
        for process in self._processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in self._processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    def finish(self, timeout_s: float) -> list[dict[str, Any]]:
        """Waits for all. Returns the acknowledgements of each."""
        said = []
        for process in self._processes:
            out, error = process.communicate(timeout=timeout_s)
            assert process.returncode == 0, error
            said.append(json.loads(out))
        return said


def all_of(said: list[dict[str, Any]], what: str) -> list[int]:
    """The job ids of all workers that were acknowledged as `what`."""
    return [jobid for one in said for jobid in one[what]]


def pace(said: list[dict[str, Any]]) -> str:
    """Their total rate and the longest request, for information only."""
    lasted_s = max(one["ended"] for one in said) - min(one["started"] for one in said)
    return (
        f"{len(all_of(said, 'done')) / lasted_s:.0f} jobs/s,"
        f" {sum(one['requests'] for one in said) / lasted_s:.0f} requests/s,"
        f" the longest {max(one['longest_s'] for one in said):.3f} s"
    )
