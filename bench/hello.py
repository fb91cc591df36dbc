"""Bare Flask on the same web server as job_manager: python -m bench.hello eventlet|gevent

Its only response is "hello", so it shows the cost of Flask and the web server.
"""

import sys
from contextlib import AbstractContextManager

from bench.servers import program

PATH = "/get"


def hello(async_mode: str) -> AbstractContextManager[int]:
    """Runs bare Flask in a separate process; yields its port."""
    return program("bench.hello", async_mode)


def main(async_mode: str) -> None:
    """Serves until SIGTERM."""
    from jobserver.server import async_modes

    async_modes.patch(async_mode)  # before anything else is imported, as app.py does

    from flask import Flask

    from jobserver.server import waiting

    app = Flask("hello")
    app.add_url_rule(PATH, view_func=lambda: "hello")
    listener = async_modes.listen("127.0.0.1", 0)
    waiting.catch_signals()
    print(listener.getsockname()[1], flush=True)
    async_modes.serve(app, listener, drain=lambda: None, drain_s=1)


if __name__ == "__main__":
    main(sys.argv[1])
