"""The messages of refused requests: they name the mistake and the remedy, in the words of docs/protocol.md."""

import pytest
import requests

from tests.support.server import ApiClient

BODIES = {  # a body, and what the message says about it
    b'{"filename": 5}': "filename must be text or null, not a whole number.",
    b'{"error": []}': "error must be text or null, not a list.",
    b'{"color": 1}': "the key 'color' in the body is unknown.",
    b"[]": "the body must be an object, not a list.",
    b"{": "Input data was truncated.",
    b"{]}": "The body is not JSON: ",
    b'"\xff"': "The body is not UTF-8: byte 1 is wrong.",
    b"\x1f\x8bxx": "The body starts like gzip or zlib data, but is malformed.",
}
SETS = (b"{", b"{x}", b'{"1": {]}', b"", b"nope")


def message(response: requests.Response, status: int) -> str:
    """The message of an error with that status."""
    assert response.status_code == status, response.text
    text: str = response.json()["message"]
    assert ".." not in text
    assert "`" not in text
    return text


@pytest.mark.parametrize("body", BODIES)
def test_a_wrong_report_is_described_in_words(api: ApiClient, body: bytes) -> None:
    response = api.session.post(f"{api.url}/update_job/1/2", data=body, headers={"jobix": str(api.jobix)}, timeout=9)
    assert BODIES[body] in message(response, 400)


def test_a_wrong_entry_is_named(api: ApiClient) -> None:
    wrong = {"jobid": 1, "jobstage": "x"}
    assert message(api("/update_jobs", [wrong]), 400).endswith("[0].jobstage must be a whole number, not text.")
    assert message(api("/update_jobs", [{"jobstage": 2}]), 400).endswith("the key 'jobid' is missing in [0].")
    assert message(api("/update_jobs", [{"jobid": -1, "jobstage": 2}]), 400).endswith("[0].jobid must be at least 0.")
    assert message(api("/heartbeat", [{"jobid": 1, "claim": ""}] * 10_001), 400).endswith(
        "it has more than 10000 entries."
    )


@pytest.mark.parametrize("body", SETS)
def test_a_malformed_set_is_described_in_words(api: ApiClient, body: bytes) -> None:
    response = api.session.post(f"{api.url}/set", data=body, headers={"jobix": str(api.jobix)}, timeout=9)
    text = message(response, 400)
    assert text.startswith("The body ")
    assert "lexical error" not in text
    assert "parse error" not in text


def test_every_message_names_the_same_range(api: ApiClient) -> None:
    for path in ("/get/-1", "/get/5000000", "/update_job/1/-1", "/lifetime/1000001"):
        assert "from 0 to 1000000, not '" in message(api(path), 400)
    for n in ("0", "2000", "x"):
        assert message(api(f"/get/0?n={n}"), 400) == f"n is a whole number from 1 to 1000, not '{n}'."


def test_a_report_on_a_done_job_does_not_advise_to_claim_it(api: ApiClient) -> None:
    api("/init/0/10")
    api("/set", {"1": {}, "2": {}})
    job = api("/get/0").json()
    assert message(api(f"/update_job/{job['jobid']}/2", {"error": "broken"}), 400) == (
        "With an error, return job 1 to a lower stage (for example 0); stage 2 would mean that it succeeded."
    )
    api(f"/update_job/{job['jobid']}/2", claim=job["claim"])
    assert message(api("/update_job/1/2"), 409) == "Job 1 is done (stage 2). Drop the result and claim a new job."
    assert message(api("/update_job/2/2"), 409).endswith("Claim it first with /get/0.")


def test_a_wrong_route_or_method_is_named(api: ApiClient) -> None:
    assert message(api("/nosuch"), 404) == "There is no route /nosuch: see docs/protocol.md."
    assert message(api("/set"), 405) == "/set needs POST, not GET: with curl, add -d '{…}'."
    assert message(api("/get/0", method="DELETE"), 405) == "/get/0 needs GET or POST, not DELETE."
    page = api.session.get(f"{api.url}/nosuch", headers={"Accept": "text/html"}, timeout=9)
    assert "There is no page /nosuch." in page.text


def test_a_parameter_of_another_route_is_refused_and_an_unknown_one_ignored(api: ApiClient) -> None:
    expected = "requeue is a parameter of /lifetime/<stage>/<value>, not of /init."
    assert message(api("/init/0/5?requeue=1"), 400) == expected
    assert message(api("/update_job/3/2?wait=5"), 400) == (
        "wait is a parameter of /get/<stage> and /heartbeat, not of /update_job/<jobid>/<next_stage>."
    )
    assert message(api("/get?n=5"), 400) == "n is a parameter of /get/<stage> and /update_jobs, not of /get."
    assert api("/get").json()["list"] == ""  # no list was created
    assert api("/init/0/5?node=7").status_code == 200
    assert api("/get/0?node=7&wait=0").json() == "nada"
