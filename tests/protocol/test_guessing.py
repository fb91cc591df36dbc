"""On a closed server many workers may share one address with somebody who guesses."""

import secrets

from tests.support.server import Asker

PATIENCE = 3  # as the server has it


def guess(server):
    """One wrong secret; the status."""
    return Asker(server.url, secrets.randbelow(2**63))("/get/0").status_code


def test_a_known_client_is_not_blocked_by_others_at_its_address(closed, jobix):
    ask = Asker(closed.url, jobix)
    job = ask("/get/0").json()
    assert [guess(closed) for _ in range(PATIENCE + 2)] == [403] * PATIENCE + [429] * 2
    assert ask("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()["jobs"][0]["state"] == "held"
    assert ask("/update_job/1/2?next=0", claim=job["claim"]).json()["next"]["jobid"] == 2
    assert ask("/get").json()["done"] == 1
    assert guess(closed) == 429


def test_a_right_key_from_a_blocked_address_is_not_confirmed(closed, jobix):
    """Else the bound would be none."""
    assert [guess(closed) for _ in range(PATIENCE + 1)] == [403] * PATIENCE + [429]
    assert Asker(closed.url, jobix)("/get/0").status_code == 429
