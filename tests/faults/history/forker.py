"""Starts worker processes fast: python -m tests.faults.history.forker LOG.

It has imported all modules of a worker, and forks a worker for each input line, a JSON list of the arguments of
worker.main() or client_worker.main(). It prints the process id.
"""

import json
import os
import signal
import sys
import traceback

from tests.faults.history import client_worker, worker
from tests.faults.history.client_styles import CLIENT


def _fork(arguments: list[str], log: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        style = arguments[-2]
        (client_worker if style.startswith(CLIENT) else worker).main(*arguments)
        os._exit(0)
    except BaseException:
        with open(log, "a") as file:
            traceback.print_exc(file=file)
        os._exit(1)


def main(log: str) -> None:
    """Works until its input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended workers need no wait()
    for line in sys.stdin:
        print(_fork(json.loads(line), log), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
