"""Ended claims are kept for a number of days, to recognise repeated requests."""

from tests.support.server import Asker
from tests.support.snapshot import opened
from tests.support.waiting import until

HALF_A_DAY_MS = 12 * 3_600_000


def test_old_ended_claims_are_deleted_and_recent_ones_kept(new_server, jobix):
    server = new_server(history_days="1").start()
    ask = Asker(server.url, jobix)
    ask("/set", {str(jobid): {} for jobid in range(3)})
    claims = [ask("/get/0").json()["claim"] for _ in range(3)]
    for jobid, claim in enumerate(claims):
        assert ask(f"/update_job/{jobid}/2", claim=claim).status_code == 200
    server.stop()
    with opened(server) as database:
        for claim in claims[:2]:  # the first claim ended a day and a minute ago, the second one half a day ago
            sql = "UPDATE event SET at = at - ? WHERE id <= (SELECT id FROM event WHERE claim = ?)"
            database.run(sql, HALF_A_DAY_MS + 30_000, claim)
        server.start()
        ask.url = server.url
        assert ask("/").status_code == 200  # the first request starts the sweeper
        until(lambda: database.rows("SELECT COUNT(*) FROM event WHERE claim IS NOT NULL") != [(3,)])
    again = [ask(f"/update_job/{jobid}/2", claim=claim).status_code for jobid, claim in enumerate(claims)]
    assert again == [409, 200, 200]
