"""Where the server's time goes while 16 connections ask for one job a request: python -m bench.flame [FILE.svg]

Sampled by py-spy, which reads the server's memory and needs the right to do so: on most systems, be root.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.keepalive import CONNECTIONS, job_rate
from bench.started import ROOT, Asker, fill, server_process

TITLE = "the server, while 16 connections ask for one job a request"
JOBS, FOR_S, A_SECOND = 100_000, 10, 200


def main(path: Path) -> None:
    """Draws it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server_process(Path(folder)) as (port, pid):
        fill(port, JOBS, lifetimes="0/10")
        spy = [f"{Path(sys.executable).parent}/py-spy", "record", "--gil", "--nonblocking", "--function"]
        drawn = subprocess.Popen([*spy, "-d", str(FOR_S), "-r", str(A_SECOND), "-o", str(path), "-p", str(pid)])
        while drawn.poll() is None:
            job_rate(port, [(job["jobid"], job["claim"]) for job in Asker(port)(f"/get/0?n={CONNECTIONS}")])
    if drawn.returncode:
        sys.exit(drawn.returncode)
    path.write_text(re.sub(r">[^<>]*py-spy record [^<>]*<", f">{TITLE}<", path.read_text()))
    print(f"{path} is written")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "flame.svg")
