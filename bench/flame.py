"""Draws a flame graph of the server while 16 connections claim one job a request: python -m bench.flame [FILE.svg]

py-spy takes the samples. It reads the memory of the server, which needs root on most systems.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.keepalive import CONNECTIONS, job_rate
from bench.servers import ROOT, JsonClient, fill, server_process

TITLE = "The server while 16 connections claim one job a request"
JOBS, FOR_S, A_SECOND = 100_000, 10, 200


def main(path: Path) -> None:
    """Samples the server and writes the graph."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        fill(port, JOBS, lifetimes="0/10")
        command = [f"{Path(sys.executable).parent}/py-spy", "record", "--gil", "--nonblocking", "--function"]
        sampler = subprocess.Popen([*command, "-d", str(FOR_S), "-r", str(A_SECOND), "-o", str(path), "-p", str(pid)])
        while sampler.poll() is None:
            job_rate(port, [(job["jobid"], job["claim"]) for job in JsonClient(port)(f"/get/0?n={CONNECTIONS}")])
    if sampler.returncode:
        sys.exit(sampler.returncode)
    path.write_text(re.sub(r">[^<>]*py-spy record [^<>]*<", f">{TITLE}<", path.read_text()))
    print(f"Wrote {path}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "flame.svg")
