"""A cancel of a running command reaches its worker within two seconds, in every mode."""

import os
import statistics
import subprocess
import sys
import time

import pytest

from tests.support.paths import ROOT
from tests.support.server import ApiClient
from tests.support.until import until

ROUNDS = 10
both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"], scope="session")


def cancel_times_s(worker_url, api, jobix, folder):
    """Lets a worker run ten commands of a minute, cancels each, and returns the times from the request to the end of
    the command."""
    api("/init/0/60")
    api("/set", {str(jobid): {} for jobid in range(ROUNDS)})
    environment = os.environ | {"JOBSERVER_URL": worker_url, "JOBSERVER_JOBIX": str(jobix), "PYTHONPATH": str(ROOT)}
    script = "touch started-{jobid}; trap 'touch ended-{jobid}; exit' TERM; sleep 60 & wait"
    with subprocess.Popen(
        [sys.executable, "-m", "client", "work", "0", "--", "sh", "-c", script],
        cwd=folder, env=environment, stderr=subprocess.PIPE, text=True,
    ) as worker:  # fmt: skip
        took_s = []
        for jobid in range(ROUNDS):
            until((folder / f"started-{jobid}").exists)
            time.sleep(0.3 * (jobid % 5))  # before and after the first heartbeat
            start_s = time.monotonic()
            assert api("/cancel_jobs", {"jobs": [jobid]}).json()["requested"] == 1
            until((folder / f"ended-{jobid}").exists)
            took_s.append(time.monotonic() - start_s)
        err = worker.communicate(timeout=30)[1]
    assert "0 done, 10 cancelled" in err
    assert err.count("was cancelled") == ROUNDS
    counts = api("/get").json()
    assert (counts["failed"], counts["cancelled"]) == (0, ROUNDS)
    print(f"median {statistics.median(took_s):.2f} s, worst {max(took_s):.2f} s")
    return took_s


@both
def test_a_cancel_reaches_the_worker_within_two_seconds(shared, api, jobix, tmp_path, kind):
    took_s = cancel_times_s(shared.url, api, jobix, tmp_path)
    assert max(took_s) < 2, took_s


@pytest.mark.parametrize("mode", ["eventlet"], scope="session")
@pytest.mark.parametrize("kind", ["postgresql"], scope="session")
def test_a_cancel_at_another_server_process_reaches_the_worker(
    new_server, new_postgresql_database, jobix, tmp_path, kind, mode
):
    own = {"instance": str(tmp_path / "instance"), "database_uri": new_postgresql_database}
    first, second = new_server(**own).start(), new_server(**own).start()
    took_s = cancel_times_s(first.url, ApiClient(second.url, jobix), jobix, tmp_path)
    assert max(took_s) < 2, took_s
