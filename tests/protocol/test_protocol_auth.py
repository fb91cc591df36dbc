"""jobix: the header that names a list and proves the right to it; open and closed servers."""

import secrets

import pytest
import requests

from tests.support.both_databases import on_sqlite
from tests.support.server import ApiClient
from tests.support.snapshot import opened

ROUTES = [
    ("GET", "/init"), ("GET", "/init/0/10"), ("POST", "/set"), ("GET", "/get/0"), ("GET", "/get/0/1"),
    ("GET", "/update_job/1/2"), ("POST", "/update_jobs"), ("POST", "/heartbeat"), ("GET", "/check_stages"),
    ("GET", "/check_stages/1/0"), ("GET", "/lifetime/1"), ("POST", "/lifetime/1/5"),
]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_refuses_a_missing_or_bad_jobix(shared, method, path):
    """tests/unit/test_parsing.py has all kinds of invalid keys."""
    for jobix, expected in (
        (None, (403, "jobix_missing")),
        ("", (403, "jobix_missing")),
        ("1e3", (400, "bad_request")),
    ):
        headers = {} if jobix is None else {"jobix": jobix}
        refused = requests.request(method, shared.url + path, headers=headers, timeout=10)
        assert (refused.status_code, refused.json()["error"]) == expected, jobix


@pytest.mark.parametrize("jobix", [0, 2**63 - 1])
def test_the_lowest_and_the_highest_jobix_work(new_server, jobix):
    api = ApiClient(new_server().start().url, jobix)  # other tests may use key 0 on a shared server
    assert api("/set", {"1": {}}).status_code == 200
    assert api("/get/0").json()["jobix"] == jobix


def test_another_key_has_no_access_to_a_list(api, shared):
    api("/set", {"1": {}})
    other = ApiClient(shared.url, secrets.randbelow(2**63))
    assert other("/get/0").json() == "nada"
    assert other("/check_stages").json() == {"ok": True, "flagged": 0, "degraded": 0}
    assert other("/update_job/1/2").status_code == 404
    assert other("/get").json()["jobs"] == 0


def test_queries_with_a_new_key_create_no_list(api, shared):
    with opened(shared) as database:
        before = database.tables()
        for path in ("/get/0", "/get", "/lifetime", "/lifetime/1", "/check_stages", "/check_stages/1/0"):
            assert api(path).status_code == 200
        assert api("/heartbeat", []).status_code == 200
        after = database.tables()
    assert after["job_list"] == before["job_list"]


def test_a_closed_server_accepts_existing_lists_only(closed, jobix):
    assert ApiClient(closed.url, jobix)("/get/0").json()["jobid"] == 1
    refused = ApiClient(closed.url, jobix ^ 1)("/set", {"1": {}})
    assert (refused.status_code, refused.json()["error"]) == (403, "jobix_unknown")


def test_guesses_of_keys_are_rate_limited(closed, jobix):
    responses = [ApiClient(closed.url, jobix ^ wrong)("/get/0") for wrong in range(1, 6)]
    assert [response.status_code for response in responses] == [403, 403, 403, 429, 429]
    assert int(responses[-1].headers["Retry-After"]) == 60
    assert responses[-1].json()["error"] == "too_many_wrong_secrets"


def test_the_key_is_not_in_responses_logs_or_the_database(new_server, jobix):
    server = new_server(log_level="DEBUG").start()
    api = ApiClient(server.url, jobix)
    api("/init/0/10")
    api("/set", {"1": {}})
    api("/get/0")
    api("/update_job/1/4")
    responses = [
        api("/get"),
        api("/lifetime"),
        api("/update_job/1/4"),
        api("/get", Accept="text/html"),
        api("/nowhere"),
    ]
    assert all(str(jobix) not in response.text for response in responses)
    assert str(jobix) not in server.log.read_text()
    with opened(server) as database:
        assert str(jobix) not in str(database.tables())
