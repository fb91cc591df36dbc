"""The least that Flask can answer, under the server that serves job_manager: python -m bench.hello"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.started import ROOT


@contextmanager
def hello() -> Iterator[int]:
    """The port of such a server, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bench.hello"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


def main() -> None:
    """Serves until it is told to stop."""
    from jobserver import concurrency

    concurrency.patch("eventlet")  # before anything else is imported, as the server does it

    from flask import Flask

    from jobserver import servers

    app = Flask("hello")
    app.add_url_rule("/", view_func=lambda: "hello")
    listener = servers.listen("127.0.0.1", 0)
    servers.catch_signals()
    print(listener.getsockname()[1], flush=True)
    servers.serve(app, listener, drain=lambda: None, drain_s=1)


if __name__ == "__main__":
    main()
