"""Starts worker processes together and collects their acknowledgements."""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tests.support.paths import ROOT


class Team:
    """Real processes of tests/support/racing_worker.py."""

    def __init__(self, jobix: int, members: Iterable[tuple[str, str]]) -> None:
        """members: (style, URL of the server) of each worker."""
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.racing_worker", style, url, str(jobix), str(number)],
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
        results = []
        for process in self._processes:
            out, error = process.communicate(timeout=timeout_s)
            assert process.returncode == 0, error
            results.append(json.loads(out))
        return results


def all_of(results: list[dict[str, Any]], kind: str) -> list[int]:
    """The job ids of all workers that were acknowledged as `kind`."""
    return [jobid for result in results for jobid in result[kind]]


def pace(results: list[dict[str, Any]]) -> str:
    """Their total rate and the longest request, for information only."""
    lasted_s = max(result["ended"] for result in results) - min(result["started"] for result in results)
    return (
        f"{len(all_of(results, 'done')) / lasted_s:.0f} jobs/s,"
        f" {sum(result['requests'] for result in results) / lasted_s:.0f} requests/s,"
        f" the longest {max(result['longest_s'] for result in results):.3f} s"
    )
