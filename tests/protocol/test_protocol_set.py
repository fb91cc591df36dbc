"""/set: a set is added once and atomically, and each jobcmd is returned exactly."""

import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import Asker

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


def raw(ask, path, body, method="POST"):
    """A request whose body is that very text."""
    return ask.session.request(method, ask.url + path, data=body, headers={"jobix": str(ask.jobix)})


def jobcmd_in(answer):
    """The text of the job's command, as it stands in the answer."""
    found = re.search(r'"jobcmd":(.*),"jobstage":', answer.text, re.DOTALL)
    assert found, answer.text
    return found[1]


def same(text, other):
    """Whether two texts are the same JSON value, digit by digit."""

    def read(what):
        return json.loads(what, parse_float=plain, parse_int=lambda digits: ("int", digits))

    return read(text) == read(other)


def plain(number):
    """A number's sign, digits and exponent: 1e400 is 1E+400, and 1.50 is not 1.5."""
    digits, _, exponent = number.lower().partition("e")
    return "float", digits, int(exponent or 0)


def test_a_set_is_acknowledged_with_how_many_were_new(ask):
    jobs = {str(i): {"jobstage": 0, "jobcmd": i} for i in range(13)}
    assert ask("/set", jobs).json() == {"message": "Accepted: 13 new, 0 known", "new": 13, "known": 0}
    jobs["99"] = {}
    assert ask("/set", jobs).json() == {"message": "Accepted: 1 new, 13 known", "new": 1, "known": 13}


def test_a_known_job_is_left_alone(ask):
    ask("/set", {"1": {"jobcmd": "first", "priority": 3}})
    ask("/get/0")
    assert ask("/set", {"1": {"jobcmd": "second", "jobstage": 0}}).json()["known"] == 1
    assert ask("/get/0").json() == "nada"
    ask("/update_job/1/0")
    assert ask("/get/0").json()["jobcmd"] == "first"


def test_only_the_id_is_required(ask):
    ask("/set", {"5": {}})
    job = ask("/get/0").json()
    assert (job["jobid"], job["jobcmd"], job["jobstage"], job["attempt"]) == (5, None, 0, 1)


@pytest.mark.parametrize("jobid", [0, 2**63 - 1])
def test_the_lowest_and_the_highest_id_work(ask, jobid):
    ask("/set", {str(jobid): {}})
    assert ask("/get/0").json()["jobid"] == jobid
    assert ask(f"/update_job/{jobid}/2").json()["jobid"] == jobid


@pytest.mark.parametrize("entry", [{"jobstage": -1}, {"jobstage": "0"}, {"priority": 2**31}, {"cmd": 1}, 7, None])
def test_one_bad_entry_refuses_the_whole_set_and_is_named(ask, entry):
    jobs = {str(i): {} for i in range(3000)} | {"31337": entry} | {str(i): {} for i in range(4000, 5000)}
    refused = ask("/set", jobs)
    assert refused.status_code == 400
    assert "31337" in refused.json()["message"]
    assert ask("/get").json()["jobs"] == 0


@pytest.mark.parametrize("key", ["x", "9223372036854775808"])
def test_an_id_that_is_not_a_whole_number_refuses_the_whole_set(ask, key):
    assert ask("/set", {"1": {}, key: {}}).status_code == 400
    assert ask("/get").json()["jobs"] == 0


def test_jobs_can_be_set_in_any_stage(ask):
    assert ask("/set", {"1": {"jobstage": 4}, "2": {"jobstage": 3}, "3": {"jobstage": 0}}).json()["new"] == 3
    assert {stage: one["jobs"] for stage, one in ask("/get").json()["stages"].items()} == {"0": 1, "3": 1, "4": 1}


def test_a_jobcmd_is_returned_exactly_as_it_was_set(ask):
    entries = ",".join(f'"{number}":{{"jobcmd":{text}}}' for number, text in enumerate(EXACT))
    assert raw(ask, "/set", f"{{{entries}}}".encode()).status_code == 200
    for text in EXACT:
        assert same(jobcmd_in(ask("/get/0")), text), text


def test_a_jobcmd_for_the_next_stage_is_returned_exactly(ask):
    ask("/set", {str(number): {"jobcmd": "first"} for number in range(len(EXACT))})
    ask(f"/get/0?n={len(EXACT)}")
    for number, text in enumerate(EXACT):
        assert raw(ask, f"/update_job/{number}/2", f'{{"jobcmd": {text}}}'.encode(), "GET").status_code == 200
        assert same(jobcmd_in(ask("/get/2")), text), text


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_set_can_be_streamed(ask, packed):
    number, piece_size = 20_000, 10_000
    body = json.dumps({str(i): {"jobcmd": {"file": f"{i}.npy"}} for i in range(number)}).encode()
    body = gzip.compress(body, 1) if packed else body
    pieces = (body[start : start + piece_size] for start in range(0, len(body), piece_size))
    assert raw(ask, "/set", pieces).json()["new"] == number
    assert ask("/get").json()["available"] == number
    assert ask("/get/0").json()["jobcmd"] == {"file": "0.npy"}


def test_a_large_set_is_atomic(ask, shared, jobix):
    """A concurrent reader sees all jobs of the set or none, also after a crash."""
    number, looking = 40_000, Asker(shared.url, jobix)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, "/set", {str(i): {} for i in range(number)})
        seen = {looking("/get").json()["jobs"]}
        while not answer.done():
            seen.add(looking("/get").json()["jobs"])
    assert answer.result().json()["new"] == number
    assert seen <= {0, number}


def test_an_empty_set_is_accepted(ask):
    assert ask("/set", {}).json() == {"message": "Accepted: 0 new, 0 known", "new": 0, "known": 0}


def test_a_list_has_at_most_1000_different_stages(ask, shared):
    """A small body with many stages would make every page of the list slow."""
    assert ask("/set", {str(stage): {"jobstage": stage} for stage in range(1000)}).status_code == 200
    refused = ask("/set", {"5000": {"jobstage": 5000}, "5001": {}})
    assert (refused.status_code, refused.json()["error"]) == (400, "bad_request")
    assert "at most 1000" in refused.json()["message"]
    assert ask("/set", {"5001": {}}).json() == {"message": "Accepted: 1 new, 0 known", "new": 1, "known": 0}
