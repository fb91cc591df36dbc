"""/set: a set is added once and atomically, and each jobcmd is returned exactly."""

import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import ApiClient

EXACT = [
    "null",
    "true",
    "0",
    "-7",
    "1.50",
    "1e400",
    "-1.5E-320",
    "0.1",
    "3.141592653589793238462643383279502884197",
    "123456789012345678901234567890",
    "-9223372036854775809",
    '""',
    '"text"',
    r'"a\u0000b"',
    r'"\" \\ \/ \b\f\n\r\t"',
    '"é 漢字 \N{GRINNING FACE}"',
    r'"\u00e9 \ud83d\ude00"',
    '"<script>alert(1)</script> %s :name ? $1"',
    "[]",
    "{}",
    r'{"":{"\u0000":[[],{}]},"b":null,"a":[1,2.50,"x",false]}',
    "[" * 100 + "]" * 100,
]


def raw(api, path, body, method="POST"):
    """Sends this exact text as the body of a request."""
    return api.session.request(method, api.url + path, data=body, headers={"jobix": str(api.jobix)})


def jobcmd_in(response):
    """The text of the job's command in the response."""
    match = re.search(r'"jobcmd":(.*),"jobstage":', response.text, re.DOTALL)
    assert match, response.text
    return match[1]


def same(text, other):
    """Whether two texts are the same JSON value, digit by digit."""

    def read(response_text):
        return json.loads(response_text, parse_float=plain, parse_int=lambda digits: ("int", digits))

    return read(text) == read(other)


def plain(number):
    """A number's sign, digits and exponent: 1e400 is 1E+400, and 1.50 is not 1.5."""
    digits, _, exponent = number.lower().partition("e")
    return "float", digits, int(exponent or 0)


def test_a_set_is_acknowledged_with_how_many_were_new(api):
    jobs = {str(i): {"jobstage": 0, "jobcmd": i} for i in range(13)}
    assert api("/set", jobs).json() == {"message": "Accepted: 13 new, 0 known", "new": 13, "known": 0}
    jobs["99"] = {}
    assert api("/set", jobs).json() == {"message": "Accepted: 1 new, 13 known", "new": 1, "known": 13}


def test_a_known_job_is_left_alone(api):
    api("/set", {"1": {"jobcmd": "first", "priority": 3}})
    api("/get/0")
    assert api("/set", {"1": {"jobcmd": "second", "jobstage": 0}}).json()["known"] == 1
    assert api("/get/0").json() == "nada"
    api("/update_job/1/0")
    assert api("/get/0").json()["jobcmd"] == "first"


def test_only_the_id_is_required(api):
    api("/set", {"5": {}})
    job = api("/get/0").json()
    assert (job["jobid"], job["jobcmd"], job["jobstage"], job["attempt"]) == (5, None, 0, 1)


@pytest.mark.parametrize("jobid", [0, 2**63 - 1])
def test_the_lowest_and_the_highest_id_work(api, jobid):
    api("/set", {str(jobid): {}})
    assert api("/get/0").json()["jobid"] == jobid
    assert api(f"/update_job/{jobid}/2").json()["jobid"] == jobid


@pytest.mark.parametrize("entry", [{"jobstage": -1}, {"jobstage": "0"}, {"priority": 2**31}, {"cmd": 1}, 7, None])
def test_one_bad_entry_refuses_the_whole_set_and_is_named(api, entry):
    jobs = {str(i): {} for i in range(3000)} | {"31337": entry} | {str(i): {} for i in range(4000, 5000)}
    refused = api("/set", jobs)
    assert refused.status_code == 400
    assert "31337" in refused.json()["message"]
    assert api("/get").json()["jobs"] == 0


@pytest.mark.parametrize("key", ["x", "9223372036854775808"])
def test_an_id_that_is_not_a_whole_number_refuses_the_whole_set(api, key):
    assert api("/set", {"1": {}, key: {}}).status_code == 400
    assert api("/get").json()["jobs"] == 0


def test_jobs_can_be_set_in_any_stage(api):
    assert api("/set", {"1": {"jobstage": 4}, "2": {"jobstage": 3}, "3": {"jobstage": 0}}).json()["new"] == 3
    assert {stage: counts["jobs"] for stage, counts in api("/get").json()["stages"].items()} == {"0": 1, "3": 1, "4": 1}


def test_a_jobcmd_is_returned_exactly_as_it_was_set(api):
    entries = ",".join(f'"{number}":{{"jobcmd":{text}}}' for number, text in enumerate(EXACT))
    assert raw(api, "/set", f"{{{entries}}}".encode()).status_code == 200
    for text in EXACT:
        assert same(jobcmd_in(api("/get/0")), text), text


def test_a_jobcmd_for_the_next_stage_is_returned_exactly(api):
    api("/set", {str(number): {"jobcmd": "first"} for number in range(len(EXACT))})
    api(f"/get/0?n={len(EXACT)}")
    for number, text in enumerate(EXACT):
        assert raw(api, f"/update_job/{number}/2", f'{{"jobcmd": {text}}}'.encode(), "GET").status_code == 200
        assert same(jobcmd_in(api("/get/2")), text), text


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_set_can_be_streamed(api, packed):
    number, piece_size = 20_000, 10_000
    body = json.dumps({str(i): {"jobcmd": {"file": f"{i}.npy"}} for i in range(number)}).encode()
    body = gzip.compress(body, 1) if packed else body
    pieces = (body[start : start + piece_size] for start in range(0, len(body), piece_size))
    assert raw(api, "/set", pieces).json()["new"] == number
    assert api("/get").json()["available"] == number
    assert api("/get/0").json()["jobcmd"] == {"file": "0.npy"}


def test_a_large_set_is_atomic(api, shared, jobix):
    """A concurrent reader sees all jobs of the set or none, also after a crash."""
    number, reader = 40_000, ApiClient(shared.url, jobix)
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(api, "/set", {str(i): {} for i in range(number)})
        seen = {reader("/get").json()["jobs"]}
        while not response.done():
            seen.add(reader("/get").json()["jobs"])
    assert response.result().json()["new"] == number
    assert seen <= {0, number}


def test_an_empty_set_is_accepted(api):
    assert api("/set", {}).json() == {"message": "Accepted: 0 new, 0 known", "new": 0, "known": 0}


def test_a_list_has_at_most_1000_different_stages(api, shared):
    """A small body with many stages would make every page of the list slow."""
    assert api("/set", {str(stage): {"jobstage": stage} for stage in range(1000)}).status_code == 200
    refused = api("/set", {"5000": {"jobstage": 5000}, "5001": {}})
    assert (refused.status_code, refused.json()["error"]) == (400, "bad_request")
    assert "at most 1000" in refused.json()["message"]
    assert api("/set", {"5001": {}}).json() == {"message": "Accepted: 1 new, 0 known", "new": 1, "known": 0}
