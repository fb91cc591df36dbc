"""The least that can be answered under the server that serves job_manager: python -m bench.hello flask|alone

By bare Flask; or by the server alone, on the way that it has for workers' requests, without Flask or a database.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from bench.started import program

FLASK, ALONE = "flask", "alone"
PATH = "/get"


def hello(by: str = FLASK) -> AbstractContextManager[int]:
    """The port of such a server, in a process of its own."""
    return program("bench.hello", by)


def alone(_environ: object, start_response: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    """The shortest application."""
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def main(by: str) -> None:
    """Serves until SIGTERM."""
    from jobserver.server import async_modes

    async_modes.patch("eventlet")  # before anything else is imported, as the server does it

    from flask import Flask

    from jobserver.server import backends

    app = Flask("hello")
    app.add_url_rule(PATH, view_func=lambda: "hello")
    listener = backends.listen("127.0.0.1", 0)
    backends.catch_signals()
    print(listener.getsockname()[1], flush=True)
    backends.serve(app if by == FLASK else alone, listener, drain=lambda: None, drain_s=1)


if __name__ == "__main__":
    main(sys.argv[1])
