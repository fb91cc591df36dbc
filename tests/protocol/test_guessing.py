"""Guesses of keys are limited, also if workers share the address of the attacker."""

import secrets

from tests.support.server import ApiClient

WRONG_KEYS_PER_MINUTE = 3  # the same as in the server


def guess(server):
    """Sends one wrong key. Returns the status."""
    return ApiClient(server.url, secrets.randbelow(2**63))("/get/0").status_code


def test_a_known_client_is_not_blocked_by_others_at_its_address(closed, jobix):
    api = ApiClient(closed.url, jobix)
    job = api("/get/0").json()
    assert [guess(closed) for _ in range(WRONG_KEYS_PER_MINUTE + 2)] == [403] * WRONG_KEYS_PER_MINUTE + [429] * 2
    assert api("/heartbeat", [{"jobid": 1, "claim": job["claim"]}]).json()["jobs"][0]["state"] == "held"
    assert api("/update_job/1/2?next=0", claim=job["claim"]).json()["next"]["jobid"] == 2
    assert api("/get").json()["done"] == 1
    assert guess(closed) == 429


def test_a_right_key_from_a_blocked_address_is_not_confirmed(closed, jobix):
    """Otherwise the limit would have no effect."""
    assert [guess(closed) for _ in range(WRONG_KEYS_PER_MINUTE + 1)] == [403] * WRONG_KEYS_PER_MINUTE + [429]
    assert ApiClient(closed.url, jobix)("/get/0").status_code == 429


def test_an_open_server_limits_guesses_but_not_waiting_workers(new_server, jobix):
    server = new_server().start()
    known_client, new_client = (
        ApiClient(server.url, jobix),
        ApiClient(server.url, jobix + 1 if jobix < 2**62 else jobix - 1),
    )
    known_client("/set", {"1": {}})
    assert known_client("/get/0").json()["jobid"] == 1
    statuses = [ApiClient(server.url, secrets.randbelow(2**63))("/get/0").status_code for _ in range(310)]
    assert set(statuses[:290]) == {200}
    assert statuses[-1] == 429
    assert known_client("/get/0").json() == "nada"
    text = server.log.read_text()
    assert 290 <= text.count("a jobix of no list was sent from 127.0.0.1") <= 301
    assert str(jobix) not in text
    server.stop()
    server.start()
    assert [new_client("/get/0").status_code for _ in range(400)] == [200] * 400


def test_a_short_key_causes_one_warning(new_server):
    server = new_server().start()
    for _ in range(3):
        assert ApiClient(server.url, 4711)("/init").ok
    assert ApiClient(server.url, 2**41)("/init").ok
    text = server.log.read_text()
    assert text.count("is short and can be guessed") == 1
    assert "4711" not in text.replace(str(server.port), "")
