"""Starts worker processes together, and gathers what they were acknowledged."""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tests.support.paths import ROOT


class Team:
    """Real processes of tests/support/racing.py."""

    def __init__(self, jobix: int, members: Iterable[tuple[str, str]]) -> None:
        """members: (style, the server's url) of each."""
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
        """Has all begin at the same moment, once every one is there."""
        for process in self._processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in self._processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    def finish(self, timeout_s: float) -> list[dict[str, Any]]:
        """What each was acknowledged, when all are done."""
        said = []
        for process in self._processes:
            out, error = process.communicate(timeout=timeout_s)
            assert process.returncode == 0, error
            said.append(json.loads(out))
        return said


def all_of(said: list[dict[str, Any]], what: str) -> list[int]:
    """The job ids that all workers together were acknowledged as `what`."""
    return [jobid for one in said for jobid in one[what]]


def pace(said: list[dict[str, Any]]) -> str:
    """How fast they were together, and the longest that one of them waited: to read, not to judge."""
    lasted_s = max(one["ended"] for one in said) - min(one["started"] for one in said)
    return (
        f"{len(all_of(said, 'done')) / lasted_s:.0f} jobs/s,"
        f" {sum(one['requests'] for one in said) / lasted_s:.0f} requests/s,"
        f" the longest {max(one['longest_s'] for one in said):.3f} s"
    )
