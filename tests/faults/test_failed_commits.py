"""A failed commit: no request that shared it is acknowledged, nothing is changed, and the server continues."""

import sys

import pytest

from tests.support.background_client import PROMPT_S, BackgroundClient
from tests.support.full_disk import full_disk
from tests.support.locks import locked
from tests.support.server import ApiClient
from tests.support.snapshot import opened

# Before Python 3.11 a failed write is not distinguishable from a failed flush, whose outcome is unknown.
EXPECTED_ERRORS = ("database_busy",) if sys.version_info >= (3, 11) else ("database_busy", "outcome_unknown")


def content_of(server):
    """The complete content of the database."""
    with opened(server) as database:
        return database.tables()


@pytest.mark.parametrize("number", [1, 8])
def test_a_failed_commit_is_acknowledged_to_no_request(server, jobix, number):
    api = ApiClient(server.url, jobix)
    api("/set", {str(jobid): {} for jobid in range(20)})
    before = content_of(server)
    with full_disk(server):
        with locked(server):  # so that they share a commit
            responses = [BackgroundClient(server.url, jobix).send("/get/0") for _ in range(number)]
        for response in responses:
            assert response.result(PROMPT_S)["error"] in EXPECTED_ERRORS
    assert content_of(server) == before
    assert api("/get/0").json()["jobid"] == 0
