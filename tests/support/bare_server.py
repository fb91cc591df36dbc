"""The end of a program that serves the WSGI application `app` without a database, and prints its port."""

SERVE = """
from jobserver.server import waiting

listener = async_modes.listen("127.0.0.1", 0)
waiting.catch_signals()
print(listener.getsockname()[1], flush=True)
async_modes.serve(app, listener, drain=lambda: None, drain_s=1)
"""
