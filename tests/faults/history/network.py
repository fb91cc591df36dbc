"""The proxy's process, between workers and servers."""

import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


class Network:
    """Starts the proxy and controls how many requests it disturbs."""

    def __init__(self, seed: str, journal: Path, ports: list[int]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.history.proxy", seed, str(journal), *map(str, ports)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.url = f"http://127.0.0.1:{int(self._read())}"

    def disturb(self, share: float) -> None:
        """Sets the share of disturbed requests, from 0 to 1."""
        self._write(f"{share}")

    def wait_until_idle(self) -> None:
        """Returns when no delayed request or response is left."""
        self._write("idle")
        self._read()

    def close(self) -> None:
        """Ends the proxy."""
        self._process.kill()
        self._process.communicate()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()
