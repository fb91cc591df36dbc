"""The server is killed repeatedly under load: acknowledged changes persist, and no change is partial."""

import random
import time

from tests.support.change_ledger import DatabaseState
from tests.support.load_clients import LoadClients
from tests.support.server import ApiClient
from tests.support.snapshot import opened

KILLS = 20
SEED = 20_180_402


def test_acknowledged_changes_survive_20_kills(server, jobix, kind):
    """Six callers set, get, update?next= and update_jobs; half of the requests without a response are repeated."""
    rng = random.Random(SEED)
    master = ApiClient(server.url, jobix)
    assert master("/init/0/0").status_code == 200
    assert master("/set", {str(jobid): {} for jobid in range(10_000)}).json()["new"] == 10_000
    callers = LoadClients(server, jobix, first_jobid=100_000, seed=SEED, n=6)
    try:
        for _ in range(KILLS):
            callers.running.set()
            callers.acknowledged(rng.randint(1, 80))
            time.sleep(rng.uniform(0, 0.03))
            callers.running.clear()
            server.kill()
            with opened(server) as database:
                assert DatabaseState(database.driver).disagreements(callers.ledger) == []
            server.start()
    finally:
        server.kill()
        callers.close()
    server.start()
    with opened(server) as database:
        assert DatabaseState(database.driver).disagreements(callers.ledger) == []
    checked = server.run("db", "check")
    assert checked.returncode == 0, checked.stdout
    ledger = callers.ledger
    print(f"{kind}: {ledger.number(True)} acknowledged, {ledger.number(False)} not, {callers.retried} repeated")
    assert ledger.number(False) >= KILLS, "no request was in progress when the server was killed"
    assert callers.retried
