"""/init and /lifetime: the list, its name, and how long jobs may stay in its stages."""

import secrets
from datetime import datetime, timezone

import pytest

from tests.support.server import ApiClient
from tests.support.snapshot import jobs


def wait_for_value(api, path, key, value, give_up_s=10):
    """Repeats a request until the response has this value. Fails after give_up_s."""
    give_up_at = datetime.now().timestamp() + give_up_s
    while (response := api(path).json())[key] != value:
        assert datetime.now().timestamp() < give_up_at, response
    return response


def test_init_answers_the_lifetime_of_each_stage(api):
    assert api("/init/0/10/0").json() == {"0": 0, "1": 10, "2": 0}


def test_an_even_number_of_lifetimes_leaves_out_the_done_stage(api):
    assert api("/init/0/10").json() == {"0": 0, "1": 10, "2": 0}
    assert api("/get").json()["last_stage"] == 2


def test_a_pipeline_of_three_stages_has_its_last_stage_from_the_lifetimes(api):
    assert api("/init/0/10/0/0.5/0/20/0").json() == {"0": 0, "1": 10, "2": 0, "3": 0.5, "4": 0, "5": 20, "6": 0}
    assert api("/get").json()["last_stage"] == 6


def test_a_repeated_init_keeps_the_lifetimes(api):
    api("/init/0/10")
    assert api("/init/5/5/5/5").json() == {"0": 0, "1": 10, "2": 0}
    assert api("/init").json() == {"0": 0, "1": 10, "2": 0}


def test_init_sets_only_the_lifetimes_that_are_not_set(api):
    api("/lifetime/1/5")
    assert api("/init/0/10/0/20").json() == {"0": 0, "1": 5, "2": 0, "3": 20, "4": 0}


@pytest.mark.parametrize("path", ["/init", "/init/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_init_without_values_creates_the_list_and_returns_lifetimes(api, path, method):
    assert api(path, method=method).json() == {}
    assert api("/get").json()["list"].startswith("list-")
    api("/lifetime/1/0.05")
    assert api(path, method=method).json() == {"1": 0.05}


def test_lifetimes_set_after_the_jobs_apply_to_them(api, shared):
    api("/set", {"1": {}})
    api("/get/0")
    api("/init/0/10")
    row = jobs(shared, api("/get").json()["list"])[1]
    assert row["deadline"] == row["datecommitted"] + 10 * 60_000


def test_init_names_the_list(api):
    name = f"Ångström {secrets.token_hex(4)}"
    api("/init", name="no query, no name")
    assert api(f"/init?name={name}").status_code == 200
    assert api("/get").json()["list"] == name
    assert api(f"/init?name={name}").status_code == 200


def test_two_lists_cannot_have_one_name(api, shared):
    name = f"taken-{secrets.token_hex(4)}"
    api(f"/init?name={name}")
    other = ApiClient(shared.url, secrets.randbelow(2**63))
    refused = other(f"/init/0/10?name={name}")
    assert (refused.status_code, refused.json()["error"]) == (409, "name_taken")
    assert other("/init").json() == {}


def test_a_lifetime_can_be_set_and_queried(api):
    assert api("/lifetime/1").json() == {"stage": 1, "minutes": 0, "requeue": None, "max_attempts": 5}
    expected = {"stage": 1, "minutes": 2.5, "requeue": 0, "max_attempts": 3}
    assert api("/lifetime/1/2.5?requeue=0&max_attempts=3").json() == expected
    assert api("/lifetime/1").json() == expected
    assert api("/lifetime").json() == {"1": {"stage": 1, "minutes": 2.5, "requeue": 0, "max_attempts": 3}}


def test_a_new_lifetime_keeps_requeue_and_max_attempts(api):
    api("/lifetime/3/2?requeue=2&max_attempts=7")
    assert api("/lifetime/3/4").json() == {"stage": 3, "minutes": 4, "requeue": 2, "max_attempts": 7}
    assert api("/lifetime/3/4?max_attempts=0").json() == {"stage": 3, "minutes": 4, "requeue": 2, "max_attempts": 0}
    assert api("/lifetime/3/4?requeue=").json() == {"stage": 3, "minutes": 4, "requeue": None, "max_attempts": 0}


def test_a_lifetime_of_seconds_is_kept_exactly(api):
    assert api("/lifetime/1/0.05").json()["minutes"] == 0.05
    api("/set", {"1": {}})
    before = datetime.now(timezone.utc)
    deadline = datetime.fromisoformat(api("/get/0").json()["deadline"].replace("Z", "+00:00"))
    after = datetime.now(timezone.utc)
    assert before.timestamp() + 2.99 < deadline.timestamp() < after.timestamp() + 3.01


def test_a_lifetime_change_applies_to_jobs_in_the_stage(api, shared):
    api("/init/0/600")
    api("/set", {"1": {}, "2": {}})
    api("/get/0?n=2")
    api("/lifetime/1/0.0001")
    wait_for_value(api, "/get", "flagged", 2)
    api("/lifetime/1/600")
    assert api("/get").json()["flagged"] == 0
    row = jobs(shared, api("/get").json()["list"])[1]
    assert row["deadline"] == row["datecommitted"] + 600 * 60_000
    api("/lifetime/1/0")
    assert jobs(shared, api("/get").json()["list"])[1]["deadline"] is None


def test_a_job_that_has_failed_stays_failed_whatever_the_lifetime(api, shared):
    api("/lifetime/1/600?max_attempts=1")
    api("/set", {"1": {}})
    api("/get/0")
    assert api("/update_job/1/0", {"error": "no disk"}).json()["failed"]
    before = jobs(shared, api("/get").json()["list"])
    for change in ("/lifetime/1/0", "/lifetime/1/700?max_attempts=9", "/lifetime/1/700?requeue=0"):
        api(change)
        assert jobs(shared, api("/get").json()["list"]) == before


def test_a_later_requeue_setting_applies_to_flagged_jobs(api):
    api("/init/0/0.0001")
    api("/set", {"1": {}})
    api("/get/0")
    wait_for_value(api, "/get", "flagged", 1)
    api("/lifetime/1/0.0001?requeue=0")
    wait_for_value(api, "/get", "available", 1)
    assert api("/get").json()["flagged"] == 0
