"""/set with names, and as a list whose ids the server chooses: no job is skipped silently."""

import json
import random

import pytest

from tests.support.server import ApiClient


def jobs_in(api):
    """All jobs of stage 0 by id: their names and commands."""
    return {job["jobid"]: (job.get("name"), job["jobcmd"]) for job in api("/get/0?n=1000").json()}


def test_a_list_gets_ids_from_0(api):
    response = api("/set", [{"jobcmd": "a"}, {"name": "ngc1234", "jobcmd": "b"}, {}])
    assert response.json() == {"message": "Accepted: 3 new, 0 known", "new": 3, "known": 0}
    assert jobs_in(api) == {0: (None, "a"), 1: ("ngc1234", "b"), 2: (None, None)}


def test_the_ids_continue_above_all_others(api):
    api("/set", {"7": {}})
    api("/set", [{"name": "a"}, {"jobid": 40, "name": "b"}, {"name": "c", "jobstage": 0, "priority": 0}])
    api("/set", [{"name": "d"}])
    names = {jobid: name for jobid, (name, _jobcmd) in jobs_in(api).items()}
    assert names == {7: None, 41: "a", 40: "b", 42: "c", 43: "d"}


def test_a_second_list_with_more_names_adds_the_new_ones(api):
    first = [{"name": f"data/{number:03d}.fits", "jobcmd": {"n": number}} for number in range(54)]
    assert api("/set", first).json()["new"] == 54
    more = [{"name": f"data/{number:03d}.fits", "jobcmd": {"n": number}} for number in range(-97, 54)]
    assert api("/set", more).json() == {"message": "Accepted: 97 new, 54 known", "new": 97, "known": 54}
    assert sorted(jobcmd["n"] for _name, jobcmd in jobs_in(api).values()) == list(range(-97, 54))


def test_a_known_name_is_a_known_job_whatever_its_id(api):
    api("/set", [{"name": "a"}, {"name": "b"}])
    assert api("/set", {"9": {"name": "a"}}).json()["known"] == 1
    assert api("/set", [{"jobid": 1, "name": "a"}]).json()["known"] == 1
    assert api("/set", [{"jobid": 1}, {"jobid": 0, "name": "a"}]).json()["known"] == 2
    assert len(jobs_in(api)) == 2


def test_the_id_of_a_job_without_a_name_refuses_a_name(api):
    """Otherwise the name would be lost, and a later set with the name alone would add the job again."""
    api("/set", {"5": {}})
    refused = api("/set", [{"jobid": 5, "name": "a"}])
    assert (refused.status_code, refused.json()["error"]) == (409, "id_taken")
    assert "has no name" in refused.json()["message"]
    assert len(jobs_in(api)) == 1


def test_an_id_of_another_name_refuses_the_whole_set(api):
    api("/set", {"5": {"name": "a"}})
    for body in ({"4": {}, "5": {"name": "b"}}, [{"name": "new"}, {"jobid": 5, "name": "b"}]):
        refused = api("/set", body)
        assert (refused.status_code, refused.json()["error"]) == (409, "id_taken")
        assert refused.json()["message"].startswith("Job 5 of this list is named 'a', so 'b' needs another jobid.")
    one_id_twice = [{"name": "new"}, {"jobid": 8, "name": "x"}, {"jobid": 8, "name": "y"}]
    assert api("/set", one_id_twice).status_code == 409
    assert jobs_in(api) == {5: ("a", None)}


def test_known_jobs_with_another_jobcmd_are_counted_and_named(api):
    api("/set", {str(jobid): {"jobcmd": {"a": 1, "b": [jobid]}} for jobid in range(10)})
    api("/set", [{"name": "x", "jobcmd": 1.5}, {"name": "y"}])
    same = {str(jobid): {"jobcmd": {"b": [jobid], "a": 1}} for jobid in range(10)}
    assert api("/set", same).json() == {"message": "Accepted: 0 new, 10 known", "new": 0, "known": 10}
    other = {str(jobid): {"jobcmd": {"b": [jobid + jobid % 2], "a": 1}} for jobid in [*range(3, 10), 20, 21]}
    response = api("/set", other).json()
    assert response == {
        "message": "Accepted: 2 new, 7 known (4 with a different jobcmd, which was ignored)",
        "new": 2, "known": 7, "different": 4, "different_jobs": [3, 5, 7, 9],
    }  # fmt: skip
    named = api("/set", [{"name": "x", "jobcmd": 1.50001}, {"name": "y"}, {"name": "z"}]).json()
    assert (named["new"], named["different"], named["different_jobs"]) == (1, 1, ["x"])


def test_at_most_five_different_jobs_are_named(api):
    number = 4500  # more than two chunks
    api("/set", {str(jobid): {} for jobid in range(number)})
    response = api("/set", {str(jobid): {"jobcmd": 1} for jobid in range(number)}).json()
    assert (response["different"], response["different_jobs"]) == (number, [0, 1, 2, 3, 4])


def test_a_name_twice_in_one_list_counts_as_different_if_the_jobs_differ(api):
    assert api("/set", [{"name": "a", "jobcmd": 1}, {"name": "a", "jobcmd": 1}]).json()["known"] == 1
    response = api("/set", [{"name": "b", "jobcmd": 1}, {"name": "b", "jobcmd": 2}]).json()
    assert (response["new"], response["different"], response["different_jobs"]) == (1, 1, ["b"])


def test_a_new_jobcmd_for_the_next_stage_is_no_difference(api):
    submitted = [{"name": "a", "jobcmd": "first"}]
    api("/set", submitted)
    api("/get/0")
    api("/update_job/0/2", {"jobcmd": "second"})
    assert api("/set", submitted).json() == {"message": "Accepted: 0 new, 1 known", "new": 0, "known": 1}


def test_names_are_unique_in_their_list_only(api, jobix):
    other = ApiClient(api.url, jobix ^ 1)
    assert [each("/set", [{"name": "a"}]).json()["new"] for each in (api, other)] == [1, 1]


def test_a_job_without_name_and_id_is_new_each_time(api):
    assert [api("/set", [{"jobcmd": 1}]).json()["new"] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("name", ["a", "ä b", "漢字" * 100, "'; DROP TABLE job", "%s :name {x} $1", " ", "7"])
def test_any_printable_text_is_a_name(api, name):
    api("/set", [{"name": name}])
    assert api("/get/0").json()["name"] == name
    assert api("/set", [{"name": name}]).json()["known"] == 1


BAD = [
    ({"name": ""}, "name is a text of 1 to 200"),
    ({"name": "x" * 201}, "name is a text of 1 to 200"),
    ({"name": "a\nb"}, "printable"),
    ({"name": "\x00"}, "printable"),
    ({"name": "\u202e"}, "printable"),
    ({"name": 7}, "name is a text"),
    ({"name": ["a"]}, "name is a text"),
    ({"name": False}, "name is a text"),
    ({"jobid": -1}, "jobid is a whole number"),
    ({"jobid": 2**63}, "jobid is a whole number"),
    ({"jobid": "7"}, "jobid is a whole number"),
    ({"jobid": True}, "jobid is a whole number"),
    ({"jobid": 1.5}, "jobid is a whole number"),
    ({"jobid": 10**30}, "jobid is a whole number"),
    ({"jobstage": -1}, "A stage is a whole number"),
    ({"priority": "high"}, "priority is a whole number"),
    ({"id": 7}, "unknown key 'id'"),
    (7, "a job is an object"),
    (None, "a job is an object"),
    ([], "a job is an object"),
    ("text", "a job is an object"),
]


@pytest.mark.parametrize(("entry", "message"), BAD)
def test_one_bad_entry_refuses_the_whole_list_and_is_located(api, entry, message):
    refused = api("/set", [{"name": str(number)} for number in range(2500)] + [entry, {}])
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("Entry 2501 of the list: ")
    assert message in refused.json()["message"]
    assert api("/get").json()["jobs"] == 0


def test_random_lists_are_accepted_whole_or_refused_whole(api):
    """Fuzz: good entries mixed with bad ones. The number of jobs is what the responses said."""
    random_source, jobs = random.Random(12), 0
    for _ in range(40):
        entries = [
            {"name": f"n{random_source.randrange(60)}", "jobcmd": random_source.randrange(3)}
            if random_source.random() < 0.7
            else {"jobid": random_source.randrange(10**6, 10**6 + 60)}
            for _ in range(random_source.randrange(8))
        ]
        if random_source.random() < 0.3:
            entries.insert(random_source.randrange(len(entries) + 1), random_source.choice(BAD)[0])
        response = api("/set", entries)
        assert response.status_code in (200, 400)
        assert (response.status_code == 400) == any(entry in [bad for bad, _message in BAD] for entry in entries)
        if response.status_code == 200:
            assert response.json()["new"] + response.json()["known"] == len(entries)
            jobs += response.json()["new"]
        assert api("/get").json()["jobs"] == jobs


@pytest.mark.parametrize("body", [b"[", b'[{"name": "a"}', b"[{}]x", b"[{},]", b"[{}{}]", b'[{"jobid": 1e0}', b"[NaN]"])
def test_a_damaged_list_is_refused(api, body):
    refused = api.session.post(api.url + "/set", data=body, headers={"jobix": str(api.jobix)})
    assert (refused.status_code, refused.json()["error"]) == (400, "bad_request")
    assert api("/get").json()["jobs"] == 0


def test_no_id_is_left_above_the_highest_number(api):
    assert api("/set", [{"jobid": 2**63 - 1}]).json()["new"] == 1
    refused = api("/set", [{}])
    assert refused.status_code == 400
    assert "give each job a jobid" in refused.json()["message"]
    assert api("/set", [{"jobid": 2**63 - 2}]).json()["new"] == 1


def test_a_large_list_can_be_streamed(api):
    number, piece_size = 20_000, 10_000
    body = json.dumps([{"name": f"{i}.npy", "jobcmd": {"file": f"{i}.npy"}} for i in range(number)]).encode()
    pieces = (body[start : start + piece_size] for start in range(0, len(body), piece_size))
    response = api.session.post(api.url + "/set", data=pieces, headers={"jobix": str(api.jobix)})
    assert response.json()["new"] == number
    last = api(f"/get/0?n={1000}").json()[-1]
    assert (last["jobid"], last["name"], last["jobcmd"]) == (999, "999.npy", {"file": "999.npy"})
