"""Ended claims are kept for a number of days, to recognise repeated requests."""

from tests.support.server import ApiClient
from tests.support.snapshot import opened
from tests.support.until import until

HALF_A_DAY_MS = 12 * 3_600_000


def test_old_ended_claims_are_deleted_and_recent_ones_kept(new_server, jobix):
    server = new_server(history_days="1").start()
    api = ApiClient(server.url, jobix)
    api("/set", {str(jobid): {} for jobid in range(3)})
    claims = [api("/get/0").json()["claim"] for _ in range(3)]
    for jobid, claim in enumerate(claims):
        assert api(f"/update_job/{jobid}/2", claim=claim).status_code == 200
    server.stop()
    with opened(server) as database:
        for claim in claims[:2]:  # the first claim ended a day and a minute ago, the second one half a day ago
            sql = "UPDATE event SET at = at - ? WHERE id <= (SELECT id FROM event WHERE claim = ?)"
            database.run(sql, HALF_A_DAY_MS + 30_000, claim)
        server.start()
        api.url = server.url
        assert api("/").status_code == 200  # the first request starts the sweeper
        until(lambda: database.rows("SELECT COUNT(*) FROM event WHERE claim IS NOT NULL") != [(3,)])
    again = [api(f"/update_job/{jobid}/2", claim=claim).status_code for jobid, claim in enumerate(claims)]
    assert again == [409, 200, 200]
