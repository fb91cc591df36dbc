"""Under Apache or another WSGI server nothing is patched, because the server has its own threads."""

import os
import subprocess
import sys

from tests.support.paths import ROOT

CODE = """
import runpy, select, socket, ssl, threading, time

names = [(module, name) for module in (select, socket, ssl, threading, time) for name in dir(module)]

def library():
    return [getattr(module, name) for module, name in names]

before, threads = library(), threading.active_count()
app = runpy.run_path("job_manager_app.wsgi")["application"]
assert all(was is now for was, now in zip(before, library(), strict=True)), "the standard library was patched"
assert threading.active_count() == threads, "the import started a thread"
ask = app.test_client()
print(ask.post("/set", json={"1": {}}, headers={"jobix": "1"}).json["new"])
"""


def test_the_wsgi_application_patches_nothing_in_any_mode(mode, tmp_path):
    settings = {"JOBSERVER_INSTANCE": str(tmp_path / "instance"), "JOBSERVER_ASYNC_MODE": mode}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment | settings, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
